"""The one crop: a photo and the geometry of a face become the three pictures that training and serving see."""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.errors import PhotoError
from slyk.geometry.camera import Array
from slyk.geometry.normalize import FaceGeometry, homography, normalizing_rotation

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class CropSpec:
    """The virtual camera and the squares it takes; each square is larger than what a network sees by its margin.

    focal_px and distance_mm of the virtual camera, face_px and eye_px sizes at margin 1, margins >= 1. The eyes are
    enlarged by eye_zoom against the face. Stored squares measure `round(size * margin)` pixels, made even.
    """

    focal_px: float
    distance_mm: float
    face_px: int
    face_margin: float
    eye_px: int
    eye_margin: float
    eye_zoom: float

    @property
    def face_square_px(self) -> int:
        return 2 * round(self.face_px * self.face_margin / 2)

    @property
    def eye_square_px(self) -> int:
        return 2 * round(self.eye_px * self.eye_margin / 2)

    @property
    def face_px_per_mm(self) -> float:
        return self.focal_px / self.distance_mm

    @property
    def eye_px_per_mm(self) -> float:
        return self.eye_zoom * self.focal_px / self.distance_mm

    def as_dict(self) -> dict[str, float | int]:
        return asdict(self)


class Crops(NamedTuple):
    """face (S, S, 3), right and left eye of the subject (E, E, 3), all BGR uint8; rotation: norm_from_cam (3, 3);
    face_from_photo (3, 3): homography of pixels, undistorted photo to the face's square, the way back its inverse;
    seen: the share of face, right and left square that the photo covers."""

    face: Image
    right: Image
    left: Image
    rotation: Array
    face_from_photo: Array
    seen: tuple[float, float, float] = (1.0, 1.0, 1.0)


def crop(photo: Image, geometry: FaceGeometry, spec: CropSpec) -> Crops:
    """Cuts face and eyes from the original photo (H, W, 3), BGR, into the normalized camera.

    Raises PhotoError where the face lies behind the camera or outside the photo.
    """
    distance = float(np.linalg.norm(geometry.face_center_mm))
    if not np.isfinite(distance) or geometry.face_center_mm[2] <= 0 or np.any(geometry.eyes_mm[:, 2] <= 0):
        raise PhotoError("face_behind_camera", f"face centre {geometry.face_center_mm.round(1).tolist()} mm")
    if geometry.distortion.any():
        photo = np.asarray(cv2.undistort(photo, geometry.camera, geometry.distortion), dtype=np.uint8)
    rotation = normalizing_rotation(geometry.face_center_mm, geometry.head_rotation)
    scale = distance / spec.distance_mm
    targets = (
        (geometry.face_center_mm, spec.focal_px, spec.face_square_px),
        (geometry.eyes_mm[0], spec.focal_px * spec.eye_zoom, spec.eye_square_px),
        (geometry.eyes_mm[1], spec.focal_px * spec.eye_zoom, spec.eye_square_px),
    )
    ways = [homography(geometry.camera, rotation, point, focal, size, scale) for point, focal, size in targets]
    sizes = [size for _, _, size in targets]
    face, right, left = (_warp(photo, way, size) for way, size in zip(ways, sizes, strict=True))
    seen = [_share_seen(photo, way, size) for way, size in zip(ways, sizes, strict=True)]
    return Crops(face, right, left, rotation, ways[0] / ways[0][2, 2], (seen[0], seen[1], seen[2]))


def _warp(photo: Image, norm_from_photo: Array, size_px: int) -> Image:
    """Bilinear where the photo is enlarged or kept; a photo shrunk by more than 2 is averaged down first (no moire)."""
    source = _corners(norm_from_photo, size_px)
    if not _meets(source, photo.shape[1], photo.shape[0]):
        raise PhotoError("face_outside_photo", f"crop corners {source.round().tolist()}")
    side_px = np.sqrt(abs(cv2.contourArea(source.astype(np.float32))))
    shrink = int(side_px / size_px)
    if shrink >= 2:
        photo, norm_from_photo = _shrink(photo, norm_from_photo, source, shrink)
    return np.asarray(
        cv2.warpPerspective(photo, norm_from_photo, (size_px, size_px), flags=cv2.INTER_LINEAR), dtype=np.uint8
    )


def _corners(norm_from_photo: Array, size_px: int) -> Array:
    """Corners (4, 2) of a square in the photo, px."""
    square = np.array([[[0.0, 0.0], [size_px, 0.0], [size_px, size_px], [0.0, size_px]]])
    return np.asarray(cv2.perspectiveTransform(square, np.linalg.inv(norm_from_photo))[0], dtype=np.float64)


def _share_seen(photo: Image, norm_from_photo: Array, size_px: int) -> float:
    """The share of a square's area in the photo that the photo covers."""
    corners = _corners(norm_from_photo, size_px).astype(np.float32)
    height, width = photo.shape[:2]
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return float(cv2.intersectConvexConvex(corners, frame)[0] / max(abs(cv2.contourArea(corners)), 1e-6))


def _meets(corners: Array, width: int, height: int) -> bool:
    low, high = corners.min(axis=0), corners.max(axis=0)
    return bool(np.all(np.isfinite(corners)) and high[0] > 0 and high[1] > 0 and low[0] < width and low[1] < height)


def _shrink(photo: Image, norm_from_photo: Array, corners: Array, factor: int) -> tuple[Image, Array]:
    """The part of the photo under the crop, area-averaged by an integer factor, and the matching homography."""
    height, width = photo.shape[:2]
    x0, y0 = (int(max(0, v)) // factor * factor for v in np.floor(corners.min(axis=0)) - 2 * factor)
    x1, y1 = (int(v) for v in np.ceil(corners.max(axis=0)) + 2 * factor)
    part = photo[y0 : min(y1, height), x0 : min(x1, width)]
    rows, columns = max(1, part.shape[0] // factor), max(1, part.shape[1] // factor)
    small = cv2.resize(part[: rows * factor, : columns * factor], (columns, rows), interpolation=cv2.INTER_AREA)
    # the centre of small pixel (0, 0) lies at (factor - 1) / 2 of the part
    middle = (factor - 1) / 2
    photo_from_small = np.array([[factor, 0, x0 + middle], [0, factor, y0 + middle], [0, 0, 1.0]])
    return np.asarray(small, dtype=np.uint8), norm_from_photo @ photo_from_small
