"""The gate before `champion`, and the way back.

Challenger and champion answer the same photos of the gate people, who were never trained on and never reported on. The
challenger passes when the paired 95 % interval of its extra error ends at or below `promote.margin_deg` and its worst
gate person loses at most `promote.worst_person_margin_deg`.
"""

import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jobs import tracking
from jobs.columns import TRUE
from jobs.evaluate import check_unseen
from jobs.models import CHALLENGER, CHAMPION, MODEL, all_versions, fetch, find_version
from jobs.roles import roles_of
from jobs.scoring import gaze_of, score, trained_on
from slyk import metrics
from slyk.bundle import Bundle, bundle_digest, load_bundle
from slyk.config import Params
from slyk.errors import ParamsError, RegistryError, SlykError
from slyk.metrics import Interval
from slyk.shards import manifest
from slyk.shards.read import ShardSet

Scores = dict[str, pd.DataFrame]  # by data set


class PromotionRefusedError(SlykError):
    """The challenger may not become champion; the message says why."""

    exit_status = 1


@dataclass(frozen=True)
class Gate:
    """What was measured on the gate people. extra_deg: challenger minus rival; both worst persons in degrees."""

    rival: str
    num_people: int
    num_photos: int
    challenger_deg: float
    rival_deg: float
    extra_deg: Interval
    challenger_worst_deg: float
    rival_worst_deg: float

    def summary(self) -> str:
        mean, _, high = self.extra_deg
        return f"{mean:+.3f} deg against {self.rival}, at most {high:+.3f}, on {self.num_people} gate people"


def promote(params: Params, *, models: Path, shards: Path, force_first: bool, show: Callable[[Gate], None]) -> str:
    """Moves `champion` to the challenger's version where the gate lets it pass, and returns that version.

    force_first: compare with no champion; like the very first model, it must beat the mean gaze. show: prints what was
    measured, before the verdict. Raises PromotionRefusedError.
    """
    client = tracking.connect()
    challenger, champion = find_version(client, CHALLENGER), find_version(client, CHAMPION)
    check_candidate(challenger, champion, models)
    assert challenger is not None
    first = champion is None or force_first
    with tracking.stage_run("promote", params=params, sections=("protocol", "promote")) as run:
        gate = measure(params, shards, challenger, None if first else champion)
        show(gate)
        against = objections(gate, params, first=first)
        run.log_metrics({"challenger_deg": gate.challenger_deg, "rival_deg": gate.rival_deg, **_extra(gate)})
        run.set_tags({"model_version": challenger.version, "verdict": "; ".join(against) or "promoted"})
        if not against:
            _check_unchanged(client, champion)
            _hand_over(client, challenger, champion, {"promoted_reason": gate.summary(), "promoted_first": first})
    if against:
        raise PromotionRefusedError(f"the {CHALLENGER} does not become {CHAMPION}: {'; '.join(against)}")
    return str(challenger.version)


def current_champion() -> str | None:
    """The version that is champion, or None."""
    champion = find_version(tracking.connect(), CHAMPION)
    return None if champion is None else str(champion.version)


def check_candidate(challenger: Any | None, champion: Any | None, models: Path) -> None:
    """Raises PromotionRefusedError where there is nothing new, or the workspace holds another model."""
    if challenger is None:
        raise PromotionRefusedError(f"{MODEL} has no {CHALLENGER}: run `dvc repro` first")
    if champion is not None and champion.version == challenger.version:
        raise PromotionRefusedError(f"nothing new: version {champion.version} is {CHAMPION} and {CHALLENGER}")
    here, registered = bundle_digest(models), challenger.tags.get("bundle_digest", "")
    if here != registered:
        raise PromotionRefusedError(
            f"the {CHALLENGER} (version {challenger.version}, {registered[:12]}) is not the model in {models} "
            f"({here[:12]}): run `dvc repro`, so that what is promoted is what was built here"
        )


def measure(params: Params, shards: Path, challenger: Any, champion: Any | None) -> Gate:
    """Scores the challenger, and the champion or else the mean gaze, on the gate people of every set trained on.

    Raises ParamsError where no set has gate people.
    """
    bundle = load_bundle(fetch(challenger))
    rival = None if champion is None else load_bundle(fetch(champion))
    mine, theirs = [], []
    training_gaze = []
    for name in params.finetune.gaze.datasets:
        people = roles_of(params, manifest.load(shards / name).faces())
        if not people.gate:
            continue
        check_unseen(bundle, name, people.gate)
        if rival is not None:
            _warn_of_seen(rival, name, people.gate)
        gate = ShardSet.open(shards / name, people.gate, people.measured)
        mine.append(score(bundle, gate, batch_size=params.evaluate.batch_size))
        if rival is None:
            training_gaze.append(gaze_of(ShardSet.open(shards / name, people.train, people.learned)))
        else:
            theirs.append(score(rival, gate, batch_size=params.evaluate.batch_size))
    if not mine:
        raise ParamsError(
            f"no set of finetune.gaze has gate people ({', '.join(params.finetune.gaze.datasets)}): nothing can be "
            "promoted by them; give protocol.num_gate_people of one of them in params.yaml"
        )
    table = pd.concat(mine, ignore_index=True)
    if champion is None:
        mean = metrics.mean_direction(np.concatenate(training_gaze))
        errors = metrics.errors_deg(np.broadcast_to(mean, (len(table), 2)), table[TRUE].to_numpy())
        return compare(table, errors, params, "the mean gaze")
    other = pd.concat(theirs, ignore_index=True)
    assert other["key"].tolist() == table["key"].tolist()
    return compare(table, other["error_deg"].to_numpy(), params, f"{CHAMPION}, version {champion.version}")


def compare(table: pd.DataFrame, rival_errors: np.ndarray[Any, Any], params: Params, rival: str) -> Gate:
    """The gate's figures from errors in degrees on the same photos."""
    errors, people = table["error_deg"].to_numpy(), table["person"]
    settings = {"num_samples": params.evaluate.bootstrap_samples, "seed": params.seed}
    return Gate(
        rival=rival,
        num_people=int(people.nunique()),
        num_photos=len(table),
        challenger_deg=float(errors.mean()),
        rival_deg=float(rival_errors.mean()),
        extra_deg=metrics.paired_bootstrap(errors, rival_errors, people, **settings),
        challenger_worst_deg=max(metrics.person_means(errors, people).values()),
        rival_worst_deg=max(metrics.person_means(rival_errors, people).values()),
    )


def objections(gate: Gate, params: Params, *, first: bool) -> list[str]:
    """Every reason against the challenger; none lets it pass. first: no margin, better than the mean gaze."""
    against = []
    allowed, allowed_worst = 0.0 if first else params.promote.margin_deg, params.promote.worst_person_margin_deg
    if gate.extra_deg.high > allowed:
        more = f"{gate.extra_deg.high:.2f} deg (allowed {allowed:.2f})"
        against.append(f"its error may exceed that of {gate.rival} by {more}")
    worse = gate.challenger_worst_deg - gate.rival_worst_deg
    if worse > allowed_worst and not first:
        against.append(f"its worst gate person loses {worse:.2f} deg (allowed {allowed_worst:.2f})")
    return against


def rollback(params: Params) -> tuple[str, str]:
    """Gives `champion` back to the version that had it before; returns (from, to). Raises RegistryError without one."""
    client = tracking.connect()
    champion = find_version(client, CHAMPION)
    if champion is None:
        raise RegistryError(f"{MODEL} has no {CHAMPION}: nothing to roll back")
    previous = champion.tags.get("previous_champion")
    if not previous:
        raise RegistryError(f"version {champion.version} is the first {CHAMPION}: there is none before it")
    if previous not in {str(version.version) for version in all_versions(client)}:
        raise RegistryError(f"version {previous}, {CHAMPION} before {champion.version}, was deleted")
    with tracking.stage_run("rollback", params=params) as run:
        client.set_registered_model_alias(MODEL, CHAMPION, previous)
        # taken off, or promoting A, B, A would let rollbacks swing between the two for ever
        client.delete_model_version_tag(MODEL, str(champion.version), "previous_champion")
        _tag(client, champion.version, {"rolled_back_by": user(), "rolled_back_at": _now()})
        _tag(client, previous, {"restored_by": user(), "restored_at": _now()})
        run.set_tags({"from_version": champion.version, "to_version": previous})
    return str(champion.version), str(previous)


def user() -> str:
    """Who runs this; in a container without a passwd entry the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _check_unchanged(client: Any, champion: Any | None) -> None:
    now = find_version(client, CHAMPION)
    if (now and now.version) != (champion and champion.version):
        raise PromotionRefusedError("the champion changed meanwhile: look at `slyk compare` and try again")


def _hand_over(client: Any, challenger: Any, champion: Any | None, tags: dict[str, Any]) -> None:
    previous = {"previous_champion": str(champion.version)} if champion else {}
    # tags first: a champion without its predecessor could not be rolled back
    _tag(client, challenger.version, tags | previous | {"promoted_by": user(), "promoted_at": _now()})
    client.set_registered_model_alias(MODEL, CHAMPION, challenger.version)


def _tag(client: Any, version: Any, tags: dict[str, Any]) -> None:
    for name, value in tags.items():
        client.set_model_version_tag(MODEL, str(version), name, str(value))


def _warn_of_seen(rival: Bundle, dataset: str, people: tuple[str, ...]) -> None:
    seen = trained_on(rival).get(dataset, set()) & set(people)
    if seen:
        told = f"warning: the {CHAMPION} was trained on {len(seen)} gate people of {dataset}: its error is flattered"
        print(told, file=sys.stderr)


def _extra(gate: Gate) -> dict[str, float]:
    return {
        "extra_deg": gate.extra_deg.mean,
        "extra_deg_low": gate.extra_deg.low,
        "extra_deg_high": gate.extra_deg.high,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
