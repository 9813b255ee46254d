"""The parts of the pretraining table, small: what is compared is the same, and a peer that is not there is a miss."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import augmenting, gpu, peer, pretrain, table
from benchmarks.pretraining import (
    FIRST,
    PX,
    SECOND,
    as_images,
    batches,
    byol,
    crop_spec,
    floats,
    keys,
    median_ratio,
    write_shards,
)
from slyk.objectives.objective import Pair
from slyk.shards.read import ShardSet
from slyk.views import fused_cv
from tests.drawn import REPOSITORY


def test_the_bare_loop_makes_the_pictures_of_the_engine() -> None:
    inputs = augmenting.Inputs.of(48)
    seen = [fused_cv.empty(augmenting.BATCH, 48, eyes=False) for _ in range(2)]

    def ours(epoch: int) -> None:
        for view, augmentation in enumerate((FIRST, SECOND)):
            fused_cv.apply(inputs.stored, inputs.draws(augmentation, epoch, view), seen[view])

    def bare(epoch: int, off: int = 0) -> None:
        for view, augmentation in enumerate((FIRST, SECOND)):
            ready = augmenting.prepare(inputs, augmentation, epoch + off, view)
            augmenting.bare(inputs.stored.face, ready, seen[view].face)

    augmenting.same(ours, bare, seen)
    with pytest.raises(AssertionError):
        augmenting.same(ours, lambda epoch: bare(epoch, off=1), seen)


def test_engines_apart_is_small_and_not_nothing() -> None:
    assert 0 < augmenting.engines_apart(augmenting.Inputs.of(48), 48) < 2


def test_ratios_are_of_passes_that_followed_each_other() -> None:
    assert median_ratio(np.array([2.0, 20.0, 200.0]), np.array([1.0, 10.0, 50.0])) == 2.0


def test_the_rebuilt_composition_is_byol() -> None:
    """Equal weights and views: the loss that slyk's objective gives, then a target that has moved."""
    ours, (batch,) = byol("mobilenetv3_small", together=False), batches(1, 4, 32)
    with torch.no_grad():
        expected, *_ = ours(Pair(batch.views[0], batch.views[1], batch.turn))
    theirs = peer.Composition(byol("mobilenetv3_small", together=False), peer.plain_parts()).train()
    views = floats(ours, batch)
    before = [p.clone() for p in theirs.target_projector.parameters()]
    loss = theirs.step(theirs.optimizer(), *views)
    assert float(loss) == pytest.approx(float(expected), abs=1e-5)
    theirs.step(theirs.optimizer(), *views)
    moved = zip(before, theirs.target_projector.parameters(), strict=True)
    assert any(not torch.equal(was, now) for was, now in moved)
    assert not any(p.requires_grad for p in theirs.target_backbone.parameters())


def test_shards_of_drawn_faces_are_read_back(tmp_path: Path) -> None:
    spec = crop_spec(32, 1.4)
    write_shards(tmp_path, 5, spec)
    with_faces: ShardSet = ShardSet.open(tmp_path)
    assert len(with_faces) == 5 and with_faces.spec == spec
    assert with_faces.pictures([0, 4]).face.std() > 10
    with_faces.close()


def test_the_part_gpu_runs_without_one() -> None:
    sizes = gpu.Sizes("mobilenetv3_small", 4, 32, steps=1, repeats=1, num_samples=8, compile=False)
    lines, machine = gpu.measure(torch.device("cpu"), sizes)
    assert [line.ok is None for line in lines] == [True, True, True, False, True, False, False]
    assert all(line.measured > 0 for line in lines[:3]) and machine["device"] == "cpu"
    assert machine["gflop_per_sample"] == pytest.approx(0.0555, rel=0.1)


def test_forwards_are_counted_as_multiplications_and_additions() -> None:
    """resnet18 at 96 px: 0.333 G multiplications; the projector adds less than a hundredth."""
    assert gpu.forward_flops(gpu.Sizes()) == pytest.approx(2 * 0.333e9, rel=0.02)


def test_peaks_by_the_name_of_the_device() -> None:
    assert gpu.peak_tflops("NVIDIA H200") == gpu.peak_tflops("NVIDIA H100 80GB HBM3") == 989.4
    assert gpu.peak_tflops("NVIDIA H100 PCIe") == 756.0 and gpu.peak_tflops("NVIDIA A100-SXM4-80GB") == 312.0
    assert gpu.peak_tflops("NVIDIA L40S") == 362.0 and gpu.peak_tflops("cpu") is None


def test_a_peer_that_is_not_there_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "is_there", lambda: False)
    lines = augmenting.measure(48, 1, 1)
    assert [line.ok for line in lines] == [False] and "make bench" in lines[0].note
    assert table.status(lines) == 1


def test_without_cuda_the_part_gpu_is_not_counted(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    (line,) = pretrain.gpu(tmp_path / "gpu.json")
    assert line.ok is None and "no CUDA" in line.name and not (tmp_path / "gpu.json").exists()


@pytest.mark.slow
def test_the_part_gpu_imports_neither_ray_nor_what_a_gpu_machine_may_lack() -> None:
    code = (
        "import sys\n"
        "for name in ('ray', 'mlflow', 'dvc', 'webdataset', 'lightly'): sys.modules[name] = None\n"
        "import benchmarks.pretrain, benchmarks.gpu"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_batches_in_memory_have_two_different_views() -> None:
    (batch,) = batches(1, 3, 16)
    assert batch.keys == keys(3) and batch.views[0].face.shape == (3, 3, 16, 16) and PX == 96
    assert not torch.equal(batch.views[0].face, batch.views[1].face)
    assert torch.equal(as_images(np.zeros((1, 4, 4, 3), np.uint8)).face, torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
