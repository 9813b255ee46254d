"""The one crop: a photo and the geometry of a face become the three pictures that training and serving see."""

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.errors import PhotoError
from slyk.geometry.camera import Array
from slyk.geometry.normalize import FaceGeometry, homography, normalizing_rotation
from slyk.photos import Region

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
    return Cut.of(geometry, spec).crops(photo)


class Square(NamedTuple):
    """way: norm_px_from_px (3, 3); size_px; corners (4, 2): where those of the square lie in the undistorted photo;
    shrink: photo pixels a pixel, rounded down; grid (2, size, size): where a lens has put each pixel of the square in
    the photo, x and y, None without a lens. All float32 but way."""

    way: Array
    size_px: int
    corners: NDArray[np.float32]
    shrink: int
    grid: NDArray[np.float32] | None

    @property
    def reached(self) -> NDArray[np.float32]:
        """Points (N, 2) of the photo that bound what the square shows."""
        if self.grid is None:
            return self.corners
        return np.stack([self.grid.min(axis=(1, 2)), self.grid.max(axis=(1, 2))])


@dataclass(frozen=True)
class Cut:
    """What a crop will fetch from a photo, known before the photo is. squares: of face, right and left eye."""

    rotation: Array
    squares: list[Square]

    @classmethod
    def of(cls, geometry: FaceGeometry, spec: CropSpec) -> "Cut":
        """Raises PhotoError `face_behind_camera`."""
        points = np.vstack([geometry.face_center_mm, geometry.eyes_mm])
        distance = float(np.linalg.norm(points[0]))
        if not np.isfinite(distance) or np.any(points[:, 2] <= 0):
            raise PhotoError("face_behind_camera", f"face centre {geometry.face_center_mm.round(1).tolist()} mm")
        rotation = normalizing_rotation(geometry.face_center_mm, geometry.head_rotation)
        sizes = np.array([spec.face_square_px, spec.eye_square_px, spec.eye_square_px])
        focal_px = spec.focal_px * np.array([1.0, spec.eye_zoom, spec.eye_zoom])
        ways = homography(geometry.camera, rotation, points, focal_px, sizes, distance / spec.distance_mm)
        corners = _corners(ways, sizes)
        if not np.isfinite(corners).all():
            raise PhotoError("face_behind_camera", "what the crops show reaches behind the camera")
        squares = []
        for way, size, found in zip(ways, sizes.tolist(), corners, strict=True):
            shrink = math.sqrt(abs(cv2.contourArea(found))) / size
            squares.append(Square(way, size, found, int(shrink), _grid(geometry, way, size)))
        return cls(rotation, squares)

    @property
    def region(self) -> Region | None:
        """What of the photo is needed; None where it cannot be told."""
        reached = np.concatenate([square.reached for square in self.squares])
        low, high = reached.min(axis=0), reached.max(axis=0)
        if not np.all(np.abs([low, high]) < 1e6):
            return None
        spare = 3 * max(square.shrink for square in self.squares) + 2
        (left, top), (right, bottom) = np.floor(low).astype(int).tolist(), np.ceil(high).astype(int).tolist()
        return left - spare, top - spare, right + spare, bottom + spare

    def crops(self, photo: Image) -> Crops:
        """Raises PhotoError `face_outside_photo`."""
        face, right, left = (_warp(photo, square) for square in self.squares)
        seen = [_share_seen(photo, square.corners) for square in self.squares]
        way = self.squares[0].way
        return Crops(face, right, left, self.rotation, way / way[2, 2], (seen[0], seen[1], seen[2]))


_UNIT_SQUARE = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])


def _corners(ways: Array, sizes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Corners (N, 4, 2) of the squares in the photo, px; NaN for those that lie behind the camera."""
    corners = _UNIT_SQUARE * np.stack([sizes, sizes, np.ones_like(sizes)], axis=-1)[:, None]
    corners = corners @ np.linalg.inv(ways).transpose(0, 2, 1)
    depth = np.where(corners[..., 2:] > 0, corners[..., 2:], np.nan)
    return np.asarray(corners[..., :2] / depth, dtype=np.float32)


def _grid(geometry: FaceGeometry, way: Array, size_px: int) -> NDArray[np.float32] | None:
    """See Square. Undoing the lens in the whole photo would take longer than decoding it."""
    if not geometry.distortion.any():
        return None
    size = (size_px, size_px)
    norm_from_ray = way @ geometry.camera
    grid = cv2.initUndistortRectifyMap(
        geometry.camera, geometry.distortion, norm_from_ray, np.eye(3), size, cv2.CV_32FC1
    )
    return np.stack(grid).astype(np.float32, copy=False)


def _warp(photo: Image, square: Square) -> Image:
    """Bilinear where the photo is enlarged or kept; a photo shrunk by more than 2 is averaged down first (no moire)."""
    way, size_px, corners, factor, grid = square
    if not _meets(corners, photo.shape[1], photo.shape[0]):
        raise PhotoError("face_outside_photo", f"crop corners {corners.round().tolist()}")
    if factor >= 2:
        photo, photo_from_small = _shrink(photo, square.reached, factor)
        way = way @ photo_from_small
        if grid is not None:
            grid = ((grid - photo_from_small[:2, 2, None, None]) / factor).astype(np.float32)
    if grid is None:
        warped = cv2.warpPerspective(photo, way, (size_px, size_px), flags=cv2.INTER_LINEAR)
    else:
        warped = cv2.remap(photo, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(warped, dtype=np.uint8)


def _share_seen(photo: Image, corners: NDArray[np.float32]) -> float:
    """The share of a square's area in the photo that the photo covers."""
    height, width = photo.shape[:2]
    if corners.min() >= 0 and corners[:, 0].max() <= width and corners[:, 1].max() <= height:
        return 1.0
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return float(cv2.intersectConvexConvex(corners, frame)[0] / max(abs(cv2.contourArea(corners)), 1e-6))


def _meets(corners: NDArray[np.float32], width: int, height: int) -> bool:
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    finite = math.isfinite(left + top + right + bottom)
    return finite and bool(right > 0 and bottom > 0 and left < width and top < height)


def _shrink(photo: Image, corners: NDArray[np.float32], factor: int) -> tuple[Image, Array]:
    """The part of the photo under corners (N, 2), area-averaged by an integer factor, and photo_from_small (3, 3)."""
    size = np.array(photo.shape[1::-1])
    low = np.clip(np.floor(corners.min(axis=0)) - 2 * factor, 0, np.maximum(size - factor, 0)) // factor * factor
    high = np.clip(np.ceil(corners.max(axis=0)) + 2 * factor, low + 1, size)
    (x0, y0), (x1, y1) = low.astype(int), high.astype(int)
    part = photo[y0:y1, x0:x1]
    rows, columns = max(1, part.shape[0] // factor), max(1, part.shape[1] // factor)
    small = cv2.resize(part[: rows * factor, : columns * factor], (columns, rows), interpolation=cv2.INTER_AREA)
    # the centre of small pixel (0, 0) lies at (factor - 1) / 2 of the part
    middle = (factor - 1) / 2
    return np.asarray(small, dtype=np.uint8), np.array(
        [[factor, 0, x0 + middle], [0, factor, y0 + middle], [0, 0, 1.0]]
    )
