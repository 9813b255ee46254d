"""The annotations of a photo and what each column means."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from slyk.geometry.camera import Array, project
from slyk.synthetic import eye
from slyk.synthetic.head import Head, on_grid
from slyk.synthetic.identity import Identity
from slyk.synthetic.scene import Scene, kappa


class Column(NamedTuple):
    """Kind: "text", "flag", "number", or how many "numbers" or "flags" a list holds."""

    name: str
    kind: str
    length: int
    meaning: str


_EYE_COLUMNS = [
    Column(f"{part}_{side}_{what}", kind, count, text)
    for side in ("right", "left")
    for part, points, name in (
        ("pupil", 8, "8 points of the pupil's edge"),
        ("iris", 8, "8 points of the iris's edge (limbus)"),
        ("lid", 34, "17 points of the upper lid's edge, image-left to image-right, then 17 of the lower"),
    )
    for what, kind, count, text in (
        ("2d", "numbers", 2 * points, f"{name}, the subject's {side} eye: x, y of each, px"),
        ("visible", "flags", points, f"whether the photo shows each of them ({part}, {side} eye)"),
    )
]

COLUMNS: tuple[Column, ...] = (
    Column("photo", "text", 1, "path below the data set's root"),
    Column("person", "text", 1, "who is on the photo"),
    Column("split", "text", 1, "train or test, by person"),
    Column("camera", "numbers", 9, "camera matrix, row by row, px; integer coordinates are the middles of pixels"),
    Column("head_rotation", "numbers", 9, "rotation of the head frame into the camera frame, row by row"),
    Column("head_translation", "numbers", 3, "origin of the head frame (between the eyeballs), camera frame, mm"),
    Column("face_center_mm", "numbers", 3, "mean of the four eye corners and two mouth corners, camera frame, mm"),
    Column("gaze_target_mm", "numbers", 3, "the point looked at, camera frame, mm"),
    Column("gaze", "numbers", 3, "unit vector from face_center_mm to gaze_target_mm, camera frame"),
    Column("eyeball_center_mm", "numbers", 6, "centres of rotation, right then left eye, camera frame, mm"),
    Column("visual_axis", "numbers", 6, "unit vectors from the eyeball centres to the target, right then left"),
    Column("optical_axis", "numbers", 6, "unit vectors through the pupils' centres: visual axes turned by kappa"),
    Column("kappa", "numbers", 4, "optical minus visual axis, head frame: pitch, yaw in radians, right then left"),
    Column("eyes_mm", "numbers", 6, "midpoints between the corners of each eye, right then left, camera frame, mm"),
    Column("landmarks_2d", "numbers", 136, "68 landmarks in the usual order (36-41 the subject's right eye): x, y, px"),
    Column("landmarks_3d", "numbers", 204, "the same points, camera frame, mm"),
    Column("landmarks_visible", "flags", 68, "whether each is inside the photo and nothing of the head before it"),
    *_EYE_COLUMNS,
    Column("smile", "number", 1, "strength 0-1"),
    Column("mouth_open", "number", 1, "strength 0-1"),
    Column("brow", "number", 1, "-0.6 (frown) to 1 (raised)"),
    Column("squint", "number", 1, "strength 0-1"),
    Column("light_direction", "numbers", 3, "unit vector towards the key light, camera frame"),
    Column("light_level", "number", 1, "brightness of all light together, 1 = usual"),
    Column("glasses", "flag", 1, "whether the person wears glasses on this photo"),
)  # fmt: skip

CONVENTIONS = (
    "Camera frame: x right, y down, z forward, millimetres. Pixels: x right, y down; integer coordinates are the "
    "middles of pixels, as OpenCV's warps take them, so the photo spans -0.5 to side - 0.5. Right and left eye are the "
    "subject's; the right one lies image-left. A frontal head has head_rotation = identity. The cornea's refraction is "
    "not drawn, so pupil and iris lie where they are projected."
)


def annotate(
    person: Identity, head: Head, scene: Scene, parts: NDArray[np.uint8], depth: Array, samples: int
) -> dict[str, Any]:
    """All columns of `COLUMNS` but photo, person and split."""
    landmarks = landmarks_3d(head, scene)
    pixels = project(scene.camera, landmarks)
    corners = landmarks[[36, 39, 42, 45]].reshape(2, 2, 3)
    direction = scene.target - scene.face_center
    row: dict[str, Any] = {
        "camera": scene.camera,
        "head_rotation": scene.rotation,
        "head_translation": scene.translation,
        "face_center_mm": scene.face_center,
        "gaze_target_mm": scene.target,
        "gaze": direction / np.linalg.norm(direction),
        "eyeball_center_mm": scene.eyes,
        "visual_axis": scene.visual,
        "optical_axis": scene.optical,
        "kappa": kappa(person),
        "eyes_mm": corners.mean(axis=1),
        "landmarks_2d": pixels,
        "landmarks_3d": landmarks,
        "landmarks_visible": _unhidden(pixels, landmarks[:, 2], depth, samples, 4.0),
    }
    for index, side in enumerate(("right", "left")):
        row |= _eye_columns(person, scene, parts, depth, samples, index, side)
    row |= scene.expression._asdict()
    row |= {"light_direction": scene.light.direction, "light_level": scene.light.level, "glasses": scene.glasses}
    return {name: _plain(value) if isinstance(value, np.ndarray) else value for name, value in row.items()}


def _plain(values: NDArray[Any]) -> list[Any]:
    """A flat list; numbers to 9 decimals, since the last bits are those of the processor's BLAS."""
    flat: list[Any] = (values if values.dtype == bool else np.round(values, 9) + 0.0).ravel().tolist()
    return flat


def landmarks_3d(head: Head, scene: Scene) -> Array:
    """The 68 landmarks (68, 3) in the camera frame."""
    skin = on_grid(scene.vertices, head.anchors)
    eyes = [lids.landmarks() + center for lids, center in zip(scene.lids, head.eyes, strict=True)]
    points = np.concatenate([skin[:36], *eyes, skin[36:]])
    return np.asarray(points @ scene.rotation.T + scene.translation)


def _eye_columns(
    person: Identity, scene: Scene, parts: NDArray[np.uint8], depth: Array, samples: int, index: int, side: str
) -> dict[str, Any]:
    center, axis = scene.eyes[index], scene.optical[index] @ scene.rotation

    def pixels_of(points: Array) -> Array:
        return project(scene.camera, points @ scene.rotation.T + center)

    row: dict[str, Any] = {}
    for name, radius in (("pupil", scene.pupil_mm), ("iris", person.iris_radius_mm)):
        row[f"{name}_{side}_2d"] = pixels_of(eye.ring(axis, radius))
        inner = pixels_of(eye.ring(axis, radius * 0.94))  # a sample on the edge itself may show either side
        shown = _at(parts, inner, samples)
        row[f"{name}_{side}_visible"] = (shown == eye.PUPIL) | (shown == eye.IRIS)
    outline = scene.lids[index].outline()
    z = (outline @ scene.rotation.T + center)[:, 2]
    row[f"lid_{side}_2d"] = pixels_of(outline)
    row[f"lid_{side}_visible"] = _unhidden(row[f"lid_{side}_2d"], z, depth, samples, 2.5)
    return row


def _unhidden(pixels: Array, z: Array, depth: Array, samples: int, slack_mm: float) -> NDArray[np.bool_]:
    return np.asarray(_at(depth, pixels, samples, outside=-np.inf) > z - slack_mm)


def _at(picture: NDArray[Any], pixels: Array, samples: int, outside: float = 0) -> NDArray[Any]:
    """Values of the fine picture at photo pixels (N, 2)."""
    j, i = np.rint(pixels * samples + (samples - 1) / 2).astype(int).T
    side = picture.shape[0]
    inside = (i >= 0) & (j >= 0) & (i < side) & (j < side)
    values = picture[np.clip(i, 0, side - 1), np.clip(j, 0, side - 1)]
    return np.where(inside, values, outside)


def schema() -> pa.Schema:
    """The Arrow schema of `COLUMNS`; each field carries its meaning."""
    fields = [pa.field(c.name, _TYPES[c.kind], metadata={"description": c.meaning}) for c in COLUMNS]
    return pa.schema(fields)


def document() -> str:
    """The columns as a page to read."""
    rows = "\n".join(f"| `{c.name}` | {c.kind} | {c.length} | {c.meaning} |" for c in COLUMNS)
    head = "| column | kind | values | meaning |\n| --- | --- | --- | --- |"
    return f"# Rendered faces: the columns of annotations.parquet\n\n{CONVENTIONS}\n\n{head}\n{rows}\n"


_TYPES = {
    "text": pa.string(),
    "flag": pa.bool_(),
    "number": pa.float64(),
    "numbers": pa.list_(pa.float64()),
    "flags": pa.list_(pa.bool_()),
}
