"""The loop on a linear model: reports, resuming, clipping, schedules, losses that are not finite."""

import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from slyk.errors import TrainingError
from slyk.models.backbones import BACKBONES, PATCH_PX
from slyk.models.backbones import trunk as make_trunk
from slyk.models.encoder import Images
from slyk.training.batches import Batch
from slyk.training.loop import Report, Settings, Step, adamw, channels_last, fit, lars, resolve_precision, synchronized

NO_IMAGE = torch.zeros(4, 3, 1, 1, dtype=torch.uint8)


class Line:
    """Learns x -> 2 x with dropout; its input travels as the label."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2))
        self.wrapped = self.module
        self.steps: list[tuple[int, int]] = []

    def forward(self, batch: Batch) -> Step:
        prediction = self.module(batch.gaze)
        return Step((prediction - 2 * batch.gaze).abs().mean(), prediction.detach())

    def after_step(self, step: int, num_steps: int) -> None:
        self.steps.append((step, num_steps))

    def metrics(self, watched: list[Tensor]) -> dict[str, float]:
        return {"num_watched": float(len(watched))}


def batches(start: int, num_steps: int, *, spoiled: int = -1) -> Iterator[Batch]:
    for step in range(start, num_steps):
        labels = torch.randn(4, 2, generator=torch.Generator().manual_seed(step))
        if step == spoiled:
            labels[1] = torch.nan
        keys = [f"s{step}/{i}" for i in range(4)]
        yield Batch((Images(NO_IMAGE, NO_IMAGE, NO_IMAGE),), torch.eye(2).expand(4, 2, 2), labels, keys)


def settings(num_steps: int, clip_norm: float | None = None, precision: str = "fp32") -> Settings:
    return Settings(num_steps, 1, lambda step: 1 / (1 + step), precision, clip_norm, torch.device("cpu"))


def run(
    line: Line, num_steps: int = 10, *, report_at: tuple[int, ...] = (5, 10), learning_rate: float = 0.1
) -> list[Report]:
    optimizer = adamw([(line.module, learning_rate)], weight_decay=0.0)
    data = batches(0, num_steps)
    return list(fit(line, optimizer, data, settings(num_steps), start=0, report_at=report_at))


def test_reports_come_when_asked_for() -> None:
    line = Line()
    reports = run(line)
    assert [report.step for report in reports] == [5, 10]
    assert line.steps == [(step, 10) for step in range(10)]
    assert set(reports[0].metrics) == {"loss", "learning_rate", "num_watched", "samples_per_second", "waiting_share"}
    assert reports[0].metrics["num_watched"] == 4
    assert reports[0].metrics["learning_rate"] == pytest.approx(0.1 / 5)
    assert reports[1].metrics["learning_rate"] == pytest.approx(0.1 / 10)


def test_the_loss_falls() -> None:
    first, second = run(Line(), 60, report_at=(10, 60), learning_rate=1.0)
    assert second.metrics["loss"] < 0.8 * first.metrics["loss"]


def test_nothing_is_told_of_steps_before_the_last_report() -> None:
    """Or a run that was interrupted there would tell other figures than one that was not."""
    assert [report.metrics["num_watched"] for report in run(Line(), report_at=(3, 4, 10))] == [3, 1, 4]


def test_losses_are_means_since_the_last_report() -> None:
    each = [r.metrics["loss"] for r in run(Line(), report_at=tuple(range(1, 11)))]
    halves = [r.metrics["loss"] for r in run(Line())]
    assert halves == pytest.approx([sum(each[:5]) / 5, sum(each[5:]) / 5])


def test_stopping_and_going_on_is_exact() -> None:
    """Dropout draws from (seed, step), so the second half needs the state of module and optimizer alone."""
    whole, parts = Line(), Line()
    run(whole)
    optimizer = adamw([(parts.module, 0.1)], weight_decay=0.0)
    list(fit(parts, optimizer, batches(0, 5), settings(10), start=0, report_at=()))
    state = optimizer.state_dict()
    torch.manual_seed(12345)
    again = adamw([(parts.module, 0.1)], weight_decay=0.0)
    again.load_state_dict(state)
    list(fit(parts, again, batches(5, 10), settings(10), start=5, report_at=()))
    for a, b in zip(whole.module.parameters(), parts.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_loss_that_is_not_finite_names_step_and_keys() -> None:
    line = Line()
    optimizer = adamw([(line.module, 0.1)], weight_decay=0.0)
    with pytest.raises(TrainingError) as caught:
        list(fit(line, optimizer, batches(0, 10, spoiled=7), settings(10), start=0, report_at=()))
    assert str(caught.value).startswith("loss is nan at step 7; samples of the batch: s7/0, s7/1, s7/2, s7/3. Lower ")
    assert all(torch.isfinite(p).all() for p in line.module.parameters())


def test_gradients_are_clipped() -> None:
    line = Line()
    optimizer = torch.optim.SGD([{"params": line.module.parameters(), "lr": 1.0, "base_lr": 1.0}])
    before = [p.detach().clone() for p in line.module.parameters()]
    list(fit(line, optimizer, batches(0, 1), settings(1, clip_norm=0.01), start=0, report_at=()))
    moved = torch.cat([(p - b).flatten() for p, b in zip(line.module.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_bf16_is_used_where_asked_for() -> None:
    line = Line()
    optimizer = adamw([(line.module, 0.1)], weight_decay=0.0)
    seen: list[torch.dtype] = []
    line.module[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))  # type: ignore[index]
    list(fit(line, optimizer, batches(0, 1), settings(1, precision="bf16"), start=0, report_at=()))
    assert seen == [torch.bfloat16]
    assert resolve_precision("fp32", torch.device("cpu")) == "fp32"
    assert resolve_precision("auto", torch.device("cpu")) in ("fp32", "bf16")


def test_decay_is_for_weight_matrices_and_frozen_ones_are_left_out() -> None:
    body, head = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), nn.Linear(2, 2)
    head.bias.requires_grad_(False)
    groups = adamw([(body, 0.01), (head, 0.1)], weight_decay=0.5).param_groups
    told = [(g["base_lr"], g["weight_decay"], [tuple(p.shape) for p in g["params"]]) for g in groups]
    assert told == [
        (0.01, 0.5, [(2, 1, 3, 3)]),
        (0.01, 0.0, [(2,), (2,), (2,)]),
        (0.1, 0.5, [(2, 2)]),
    ]


def test_channels_last_with_bf16_alone() -> None:
    for precision, expected in (("bf16", True), ("fp32", False)):
        weight = channels_last(nn.Conv2d(3, 4, 3), precision).weight
        assert isinstance(weight, Tensor)
        assert weight.is_contiguous(memory_format=torch.channels_last) == expected


def test_parts_of_a_step_add_up_to_the_whole() -> None:
    """A loss that is a mean over samples, without dropout: the same step in one part, two or four."""
    ends = []
    for parts in (1, 2, 4):
        line = Line()
        line.module.get_submodule("1").p = 0.0  # type: ignore[assignment]
        optimizer = adamw([(line.module, 0.1)], weight_decay=0.0)
        (report,) = fit(line, optimizer, batches(0, 5), settings(5)._replace(parts=parts), start=0, report_at=(5,))
        ends.append((report.metrics["loss"], torch.cat([p.detach().flatten() for p in line.module.parameters()])))
    for loss, weights in ends[1:]:
        assert loss == pytest.approx(ends[0][0], rel=1e-5)
        torch.testing.assert_close(weights, ends[0][1])


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "vit_base"])
def test_synchronized_batch_norm_keeps_what_a_trunk_computes(name: str) -> None:
    """Its activations too, which timm fuses with batch norm."""
    torch.manual_seed(0)
    trunk, faces = make_trunk(name).eval(), torch.randn(2, 3, 96, 96)
    before, names = trunk(faces), list(trunk.state_dict())
    after = synchronized(trunk)
    assert torch.equal(after(faces), before) and list(after.state_dict()) == names
    norms = [type(part) for part in after.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert all(issubclass(kind, nn.SyncBatchNorm) for kind in norms) and bool(norms) == (name not in PATCH_PX)


@pytest.mark.parametrize(("emulated", "chosen"), [(True, "fp32"), (False, "bf16")])
def test_bf16_that_a_gpu_emulates_is_not_chosen(emulated: bool, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or not emulated
    )
    assert resolve_precision("auto", torch.device("cuda")) == chosen


@pytest.mark.parametrize("decay", [0.1, 0.0])
def test_lars_by_hand(decay: float) -> None:
    """A matrix moves by learning rate x trust x |w| / |g + decay w| along its gradient; a bias as by plain SGD."""
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0]]))
        layer.bias.zero_()
    optimizer = lars([(layer, 0.5)], weight_decay=decay)
    layer.weight.grad, layer.bias.grad = torch.tensor([[0.6, -0.8]]), torch.tensor([2.0])
    optimizer.step()
    trust = 0.001 * 5.0 / (1.0 + decay * 5.0)
    moved = 0.5 * trust * (torch.tensor([[0.6, -0.8]]) + decay * torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[3.0, 4.0]]) - moved)
    torch.testing.assert_close(layer.bias.detach(), torch.tensor([-1.0]))
    optimizer.step()
    assert layer.bias.item() == pytest.approx(-1.0 - 0.5 * (0.9 * 2.0 + 2.0))


def test_waiting_is_told() -> None:
    def slow() -> Iterator[Batch]:
        for batch in batches(0, 4):
            time.sleep(0.05)
            yield batch

    line = Line()
    optimizer = adamw([(line.module, 0.1)], weight_decay=0.0)
    (report,) = fit(line, optimizer, slow(), settings(4), start=0, report_at=(4,))
    assert 0.5 < report.metrics["waiting_share"] <= 1.0
