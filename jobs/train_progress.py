"""Progress of a training run: lines on the terminal, rows in MLflow, each once also after a crash."""

import threading
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.tracking import TrainingLog
from slyk.training.probes import CONTROLS

UNTOLD = {"step", "epoch", "learning_rate", "waiting_share", "neighbour_same_person", *CONTROLS}
"""What a line of progress leaves to MLflow and history.csv."""


def progress(stage: str, log: TrainingLog, told: Path) -> Any:
    from ray.train import UserCallback

    class Progress(UserCallback):  # type: ignore[misc]
        """In the controller, where each committed report arrives once, also after a crash: MLflow and a file."""

        began: tuple[float, float] | None = None
        logged: frozenset[int] = frozenset()

        def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
            rows, num_steps = metrics[0]["rows"], metrics[0]["num_steps"]
            step = rows[-1]["step"]
            self.began = self.began or (time.monotonic(), step)
            place = f"epoch {rows[-1]['epoch']:.1f}, step {step:.0f}/{num_steps}"
            with told.open("a") as file:
                if rows[0]["step"] == 0 and not self.logged:
                    file.write(f"{stage}: before the first step, {values(rows[0], {'step', 'epoch'})}\n")
                file.write(f"{stage}: {place}, {values(rows[-1], UNTOLD)}{self._left(step, num_steps)}\n")
            for row in rows:  # those of before a restart too, each once: the run that MLflow shows is whole
                if row["step"] not in self.logged:
                    log.log_epoch(int(row["step"]), {name: value for name, value in row.items() if name != "step"})
            self.logged |= {row["step"] for row in rows}

        def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
            with told.open("a") as file:
                for rank, error in worker_exceptions.items():
                    first = (str(error).strip().splitlines() or [type(error).__name__])[-1]
                    file.write(f"{stage}: worker {rank} failed, going back to the last checkpoint: {first}\n")

        def _left(self, step: float, num_steps: int) -> str:
            assert self.began is not None
            done = step - self.began[1]
            return f", {(time.monotonic() - self.began[0]) / done * (num_steps - step):.0f} s left" if done else ""

    return Progress()


def values(row: Mapping[str, float], untold: Set[str]) -> str:
    """`loss 0.1234, embedding_std 0.9`: all but some."""
    return ", ".join(f"{name} {value:.4g}" for name, value in row.items() if name not in untold)


@contextmanager
def shown(told: Path) -> Iterator[None]:
    """Prints what the controller writes into a file: Ray's own relay of output mixes it with its chatter."""
    told.write_text("")
    ended = threading.Event()

    def follow() -> None:
        with told.open() as file:
            while True:
                last = ended.is_set()
                for line in file:
                    print(line, end="", flush=True)
                if last:
                    return
                ended.wait(0.5)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        told.unlink(missing_ok=True)
