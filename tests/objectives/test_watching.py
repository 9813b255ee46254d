"""What is told of a network while it learns: from the right photos, alike each time, and without a trace in it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from slyk.models.encoder import Encoder, EncoderConfig, Images
from slyk.objectives import OBJECTIVES
from slyk.objectives.objective import Objective, ObjectiveConfig
from slyk.objectives.watching import Photos, Watcher, photos_of, seen_by
from slyk.shards.read import ShardSet
from tests.models.test_encoder import CONFIG

CPU = torch.device("cpu")
PEOPLE = ("p000", "p001", "p002")


def photos(shards: Path, *groups: str, most: int = 100, eyes: bool = True) -> Photos:
    return photos_of([ShardSet.open(shards, groups)], 48, most, eyes=eyes)


def made(name: str) -> Objective:
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig("vit_tiny", 32, 4, 1) if name == "masked" else CONFIG)
    return OBJECTIVES[name](encoder, ObjectiveConfig(projector_hidden=32, projector_out=16, decoder_width=32))


class ToldBefore(nn.Module):
    """Embeds a face as what is known of it: by the mean of its pixels."""

    def __init__(self, photos: Photos, known: Tensor) -> None:
        super().__init__()
        self.known = {self._of(face): row for face, row in zip(photos.images.face, known, strict=True)}
        self.sees_eyes = False

    @staticmethod
    def _of(face: Tensor) -> float:
        return float(face.float().mean())

    def embed(self, images: Images) -> Tensor:
        return torch.stack([self.known[self._of(face)] for face in images.face])


def test_photos_are_the_middles_of_what_is_stored(shards: Path) -> None:
    """At the size at which faces were cut, a view that nothing was done to is the middle of the stored square."""
    found = photos_of([ShardSet.open(shards, ("p001",))], 56, 100, eyes=True)
    stored = ShardSet.open(shards, ("p001",))
    margin = (stored.spec.face_square_px - 56) // 2
    for row, sample in enumerate(stored):
        middle = sample.face[margin : margin + 56, margin : margin + 56]
        np.testing.assert_array_equal(found.images.face[row].permute(1, 2, 0).numpy(), middle)
        assert sample.gaze is not None
        np.testing.assert_array_equal(found.gaze[row], sample.gaze)
        np.testing.assert_array_equal(found.head[row], sample.head)
        assert found.expressions[row] == sample.labels["expression"]
    assert set(found.people) == {"synthetic/p001"} and found.images.right.shape == (4, 3, 36, 60)
    assert photos(shards, "p001", eyes=False).images.right.shape == (4, 3, 0, 0)


def test_a_part_of_the_photos_is_taken_evenly(shards: Path) -> None:
    everybody = ShardSet.open(shards, PEOPLE)
    found = photos_of([everybody], 48, 6, eyes=False)
    assert found.people.tolist() == [f"synthetic/{name}" for name in PEOPLE for _ in range(2)]
    np.testing.assert_array_equal(found.gaze, everybody.gaze[::2])
    several = photos_of([everybody, ShardSet.open(shards, ("p003",))], 48, 5, eyes=False)
    assert len(several.people) == len(several.images.face) == 5
    assert several.people.tolist().count("synthetic/p003") == 2


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_watching_leaves_no_trace(shards: Path, name: str) -> None:
    module = made(name).train()
    module.encoder.face.eval()  # a part that somebody froze wakes up with the rest, as the loop's own train() does
    before = {key: value.clone() for key, value in module.state_dict().items()}
    state = torch.get_rng_state()
    eyes = module.sees_eyes
    watcher = Watcher(photos(shards, *PEOPLE, eyes=eyes), photos(shards, "p003", "p002", eyes=eyes), CPU, "fp32")
    told = watcher(module)
    assert module.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert told == watcher(module)
    assert {"gaze_probe_deg", "gaze_mean_deg", "head_probe_deg", "expression_probe", "neighbour_gaze_deg"} <= set(told)
    assert all(np.isfinite(value) for value in told.values())
    module.eval()
    watcher(module)
    assert not module.training


def test_features_are_those_of_evaluation(shards: Path) -> None:
    """Photos do not see each other, and more of them than pass at once come in their order."""
    module, some = made("byol").train(), photos(shards, *PEOPLE, eyes=False)
    twelve = seen_by(module, some, CPU, "fp32").features
    many = Photos(
        Images(*(torch.cat([part] * 8) for part in some.images)), *(np.concatenate([p] * 8) for p in some[1:])
    )
    np.testing.assert_allclose(
        seen_by(module, many, CPU, "fp32").features, np.tile(twelve, (8, 1)), rtol=1e-4, atol=1e-6
    )
    with torch.no_grad():
        expected = module.eval().embed(some.images)
    np.testing.assert_allclose(twelve, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_what_is_in_the_features_is_told(shards: Path) -> None:
    fitted, judged = photos(shards, *PEOPLE, eyes=False), photos(shards, "p003", "p002", eyes=False)
    everybody = photos(shards, *PEOPLE, "p003", eyes=False)
    module = ToldBefore(everybody, torch.from_numpy(np.hstack([everybody.gaze, everybody.gaze**2])))
    told = Watcher(fitted, judged, CPU, "fp32")(module)  # type: ignore[arg-type]
    assert told["gaze_probe_deg"] < 1.0 < 10 < told["gaze_mean_deg"]
    assert told["head_probe_deg"] > 0.7 * told["head_mean_deg"]
    assert told["neighbour_gaze_deg"] < told["random_gaze_deg"]


def test_features_that_are_not_finite_are_told(shards: Path) -> None:
    everybody = photos(shards, *PEOPLE, eyes=False)
    known = torch.from_numpy(everybody.gaze).clone()
    known[0] = torch.nan
    told = Watcher(everybody, everybody, CPU, "fp32")(ToldBefore(everybody, known))  # type: ignore[arg-type]
    assert told["watched_not_finite"] == pytest.approx(1 / 12)
    assert np.isfinite(told["gaze_probe_deg"])
    lost = Watcher(everybody, everybody, CPU, "fp32")(ToldBefore(everybody, known * torch.nan))  # type: ignore[arg-type]
    assert lost == {"watched_not_finite": 1.0}
