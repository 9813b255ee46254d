"""A photo without annotations -> its faces -> where each looks, in the camera frame. Stands on a bundle alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from slyk.bundle import Bundle, load_bundle
from slyk.datasets.record import Record
from slyk.geometry.angles import pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.camera import Array, guess_camera, project
from slyk.geometry.eyes import geometry_from_eyes
from slyk.geometry.normalize import FaceGeometry
from slyk.landmarks.cascades import EyesFound, FaceFound, find_faces
from slyk.shards.crops import CropSpec, crop
from slyk.shards.sample import Sample, from_crops
from slyk.training.batches import stack
from slyk.views.single import center

Photo = NDArray[np.uint8]


@dataclass(frozen=True)
class FacePrediction:
    """One face of one photo and its gaze.

    face: number from the left; box_px: x, y, width, height; eyes_px (2, 2): subject's right eye first; eyes: seen, or
    assumed from the face box (then less exact); gaze (3,): unit vector, camera frame; pitch_deg, yaw_deg: its angles in
    slyk's convention; face_center_px (2,): where it starts; distance_mm: of the face, if its eyes are 63 mm apart.
    """

    face: int
    box_px: tuple[int, int, int, int]
    eyes_px: Array
    eyes: EyesFound
    gaze: Array
    pitch_deg: float
    yaw_deg: float
    face_center_px: Array
    distance_mm: float


class GazeEstimator:
    """A trained model and how its pictures are cut. Not for several threads at once: the detector keeps state."""

    def __init__(self, bundle: Bundle, device: str = "cpu") -> None:
        self.bundle = bundle
        self.device = device
        self.model = bundle.model(device)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "GazeEstimator":
        """Raises DataMissingError, RegistryError where the folder holds no gaze model."""
        return cls(load_bundle(folder), device)

    def predict_photo(
        self, photo: Photo, *, camera: Array | None = None, min_face_px: int = 40
    ) -> list[FacePrediction]:
        """The faces of a BGR photo (H, W, 3), left to right, perhaps none. camera (3, 3): None is the guess."""
        return self.predict_photos([photo], camera=camera, min_face_px=min_face_px)[0]

    def predict_photos(
        self, photos: Sequence[Photo], *, camera: Array | None = None, min_face_px: int = 40
    ) -> list[list[FacePrediction]]:
        """As `predict_photo` for each; the network sees the faces of all photos as one batch."""
        located = [_locate(photo, self.bundle.spec, camera, min_face_px) for photo in photos]
        gaze = iter(self.gaze_in_camera([face.sample for faces in located for face in faces]))
        return [[_prediction(i, face, next(gaze)) for i, face in enumerate(faces)] for faces in located]

    def gaze_in_camera(self, samples: Sequence[Sample]) -> Array:
        """Unit vectors (N, 3), camera frame: what the network says in the normalized frame, turned back by R^T."""
        if not samples:
            return np.empty((0, 3))
        views = [center(sample, self.bundle.spec, self.bundle.face_px) for sample in samples]
        with torch.inference_mode():
            output = self.model(*(images.to(self.device) for images in stack(views)))
        in_norm = vector_from_pitchyaw(output.double().cpu().numpy())
        rotations = np.stack([sample.rotation for sample in samples])
        return np.asarray(np.einsum("nij,ni->nj", rotations, in_norm))


class _Located(NamedTuple):
    found: FaceFound
    geometry: FaceGeometry
    sample: Sample


def _locate(photo: Photo, spec: CropSpec, camera: Array | None, min_face_px: int) -> list[_Located]:
    height, width = photo.shape[:2]
    camera = guess_camera(width, height) if camera is None else camera
    faces = []
    for found in find_faces(photo, min_face_px=min_face_px):
        record = Record("", "", "", "test", geometry_from_eyes(camera, found.eyes_px), None, found.eyes)
        faces.append(_Located(found, record.face, from_crops(record, crop(photo, record.face, spec))))
    return faces


def _prediction(number: int, face: _Located, gaze: Array) -> FacePrediction:
    center_mm = face.geometry.face_center_mm
    pitch_deg, yaw_deg = np.degrees(pitchyaw_from_vector(gaze))
    return FacePrediction(
        face=number,
        box_px=face.found.box_px,
        eyes_px=face.found.eyes_px,
        eyes=face.found.eyes,
        gaze=gaze,
        pitch_deg=float(pitch_deg),
        yaw_deg=float(yaw_deg),
        face_center_px=project(face.geometry.camera, center_mm),
        distance_mm=float(np.linalg.norm(center_mm)),
    )
