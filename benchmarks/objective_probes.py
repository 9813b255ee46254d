"""What frozen features of each way of training tell about people never seen, upright and turned.

Probes are ridge regressions fitted on the training people (slyk.training.probes). The second one is fitted on turned
photos too, with turned labels, and asked what it makes of a turned face: close to the turned label (error), and close
to its own answer for the upright face, turned (equivariance error). A network that answers always the same has no
equivariance error where it looks along the axis of turning, so a constant stands beside.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.objective_runs import Supervised
from slyk.geometry.angles import Array, pitchyaw_from_vector, vector_from_pitchyaw
from slyk.metrics import errors_deg, mean_direction, person_means
from slyk.models.encoder import Images
from slyk.objectives.objective import Objective
from slyk.shards.read import ShardSet
from slyk.training.batches import as_images
from slyk.training.loop import autocast
from slyk.training.probes import Seen, direction_probe, expression_probe, fit_ridge, neighbours
from slyk.views import fused_cv
from slyk.views.augmentation import NUM_DRAWS, Augmentation, Draws, draw

ANGLES_DEG = (-30.0, -20.0, -10.0, 10.0, 20.0, 30.0)
TURNED = Augmentation(rotate=1.0, rotate_deg=45.0)
AT_ONCE = 64
Embed = Callable[[Images], Array]
"""What a way makes of images: (B, D)."""


class Turned(NamedTuple):
    """Photos turned by an angle each. features (N, D); gaze (N, 2): turned labels; draws: how they were turned."""

    features: Array
    gaze: Array
    draws: Draws


def turned(shards: ShardSet, angles_deg: Array, face_px: int, embed: Embed) -> Turned:
    """All photos of a set, photo i turned counter-clockwise by angles_deg[i] (N,)."""
    uniform = np.full((len(shards), NUM_DRAWS), 0.5)
    uniform[:, 0], uniform[:, 1] = 0.0, 0.5 + angles_deg / (2 * TURNED.rotate_deg)
    draws = draw(TURNED, uniform, shards.spec, face_px)
    features = []
    for start in range(0, len(shards), AT_ONCE):
        stop = min(start + AT_ONCE, len(shards))
        stored = shards.pictures(range(start, stop))
        views = fused_cv.apply(
            stored, draws.where(slice(start, stop)), fused_cv.empty(stop - start, face_px, eyes=True)
        )
        features.append(embed(as_images(views)))
    return Turned(np.concatenate(features), draws.of_gaze(shards.gaze), draws)


def by_network(module: Objective, precision: str, kind: str) -> Embed:
    """kind: `embedding`, what the objective trains; `face map`, the mean of the trunk's map."""

    @torch.no_grad()
    def embed(images: Images) -> Array:
        module.eval()
        with autocast(precision, torch.device("cpu")):
            if kind == "embedding":
                found = module.embed(images)
            else:
                found = module.encoder.face(module.encoder.normalize(images.face)).mean(dim=(2, 3))
        return np.asarray(found.double().numpy())

    return embed


def by_answer(trainable: Supervised, precision: str) -> Embed:
    """The directions that a supervised network answers itself."""

    @torch.no_grad()
    def answer(images: Images) -> Array:
        trainable.module.eval()
        with autocast(precision, torch.device("cpu")):
            return np.asarray(trainable.answer(images).double().numpy())

    return answer


def by_pixels(images: Images) -> Array:
    """Grey levels of a small face (24 x 24) and small eyes (12 x 20)."""
    rows = []
    for face, *eyes in zip(*(part.permute(0, 2, 3, 1).numpy() for part in images), strict=True):
        grays = [cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_BGR2GRAY) for part in (face, *eyes)]
        sizes = ((24, 24), (20, 12), (20, 12))
        small = [cv2.resize(gray, size, interpolation=cv2.INTER_AREA) for gray, size in zip(grays, sizes, strict=True)]
        rows.append(np.concatenate([part.ravel() for part in small]))
    return np.asarray(rows, np.float64)


def judged(known: ShardSet, unknown: ShardSet, face_px: int, embed: Embed) -> dict[str, Any]:
    """All figures of one kind of features: fitted on the people of `known`, judged by those of `unknown`."""
    upright = [turned(s, np.zeros(len(s)), face_px, embed) for s in (known, unknown)]
    fitted, asked = (
        Seen(t.features, s.groups, s.gaze, s.head, s.expressions)
        for t, s in zip(upright, (known, unknown), strict=True)
    )
    ridge = fit_ridge(fitted.features, vector_from_pitchyaw(fitted.gaze), fitted.people)
    errors = errors_deg(pitchyaw_from_vector(ridge(asked.features)), asked.gaze)
    return {
        **direction_probe(fitted, asked, "gaze"),
        **direction_probe(fitted, asked, "head"),
        **expression_probe(fitted, asked),
        **neighbours(asked),
        "alpha": ridge.alpha,
        "people_deg": person_means(errors, asked.people),
        "turned": equivariance(known, unknown, face_px, embed, upright),
    }


def equivariance(
    known: ShardSet, unknown: ShardSet, face_px: int, embed: Embed, upright: list[Turned]
) -> dict[str, float]:
    """Mean degrees over photos and ANGLES_DEG; see the module."""
    angles = np.random.default_rng(0).uniform(-30.0, 30.0, len(known))
    other = turned(known, angles, face_px, embed)
    ridge = fit_ridge(
        np.concatenate([upright[0].features, other.features]),
        vector_from_pitchyaw(np.concatenate([upright[0].gaze, other.gaze])),
        np.concatenate([known.groups, known.groups]),
    )
    constant = np.broadcast_to(mean_direction(known.gaze), unknown.gaze.shape)
    straight = pitchyaw_from_vector(ridge(upright[1].features))
    found: dict[str, list[NDArray[np.float64]]] = {}
    for angle in ANGLES_DEG:
        seen = turned(unknown, np.full(len(unknown), angle), face_px, embed)
        answer = pitchyaw_from_vector(ridge(seen.features))
        for name, errors in (
            ("error_deg", errors_deg(answer, seen.gaze)),
            ("equivariance_error_deg", errors_deg(answer, seen.draws.of_gaze(straight))),
            ("not_turned_deg", errors_deg(answer, straight)),
            ("constant_error_deg", errors_deg(constant, seen.gaze)),
            ("constant_equivariance_error_deg", errors_deg(constant, seen.draws.of_gaze(constant))),
            ("label_turns_deg", errors_deg(seen.gaze, unknown.gaze)),
        ):
            found.setdefault(name, []).append(errors)
    told = {name: float(np.mean(values)) for name, values in found.items()}
    return told | {"upright_error_deg": float(errors_deg(straight, unknown.gaze).mean())}
