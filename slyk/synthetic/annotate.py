"""The annotations of a photo and what each column means."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from slyk.geometry.camera import Array, project
from slyk.synthetic import eye
from slyk.synthetic.head import Head, on_grid
from slyk.synthetic.identity import Identity
from slyk.synthetic.regions import Mask, Region
from slyk.synthetic.scene import Scene, Screen, kappa


class Column(NamedTuple):
    """Kind: "text", "flag", "count", "number", or how many "numbers" or "flags" a list holds; optional: null where the
    domain has no such thing."""

    name: str
    kind: str
    length: int
    meaning: str
    optional: bool = False


_EYE_COLUMNS = [
    Column(f"{part}_{side}_{what}", kind, count, text)
    for side in ("right", "left")
    for part, points, name in (
        ("pupil", 8, "8 points of the pupil's edge, the first up and image-right, the next above, and so on round"),
        ("iris", 8, "8 points of the iris's edge (limbus), in the same order"),
        ("lid", 34, "17 points of the upper lid's edge, image-left to image-right, then 17 of the lower"),
    )
    for what, kind, count, text in (
        ("2d", "numbers", 2 * points, f"{name}, the subject's {side} eye: x, y of each, px"),
        ("3d", "numbers", 3 * points, f"the same points ({part}, {side} eye), camera frame, mm"),
        ("visible", "flags", points, f"whether the photo shows each of them ({part}, {side} eye)"),
    )
]

COLUMNS: tuple[Column, ...] = (
    Column("photo", "text", 1, "path below the data set's root"),
    Column("mask", "text", 1, "path of the region mask, a grey PNG whose values are listed below"),
    Column("person", "text", 1, "who is on the photo"),
    Column("split", "text", 1, "train or test, by person"),
    Column("domain", "text", 1, "what kind of photos: wide, webcam, wild, studio or near_eye"),
    Column("recording", "text", 1, "photos of one recording share place and time; unique within the person"),
    Column("frame", "count", 1, "moment within the recording; cameras of one rig share it"),
    Column(
        "eye_movement", "count", 1,
        "since the frame before: 1 error, 2 blink, 3 fixation, 4 saccade, 5 smooth pursuit; 0 where there is no video",
    ),
    Column("camera_id", "count", 1, "camera of the rig, from 0"),
    Column("size_px", "numbers", 2, "width, height of the photo"),
    Column("camera", "numbers", 9, "camera matrix, row by row, px; integer coordinates are the middles of pixels"),
    Column("world_rotation", "numbers", 9, "rotation of the rig's frame (that of its camera 0) into the camera frame"),
    Column("world_translation", "numbers", 3, "origin of the rig's frame in the camera frame, mm"),
    Column("head_rotation", "numbers", 9, "rotation of the head frame into the camera frame, row by row"),
    Column("head_translation", "numbers", 3, "origin of the head frame (between the eyeballs), camera frame, mm"),
    Column("face_center_mm", "numbers", 3, "mean of the four eye corners and two mouth corners, camera frame, mm"),
    Column("gaze_target_mm", "numbers", 3, "the point looked at, camera frame, mm"),
    Column("gaze", "numbers", 3, "unit vector from face_center_mm to gaze_target_mm, camera frame"),
    Column("screen_target_px", "numbers", 2, "the point looked at on a screen, px from its upper left corner", True),
    Column("screen_size", "numbers", 4, "width, height of the screen in px, then in mm", True),
    Column("screen_rotation", "numbers", 9, "screen frame (x right, y down for its user) to camera frame", True),
    Column("screen_translation", "numbers", 3, "upper left corner of the screen, camera frame, mm", True),
    Column("eyeball_center_mm", "numbers", 6, "centres of rotation, right then left eye, camera frame, mm"),
    Column("visual_axis", "numbers", 6, "unit vectors from the eyeball centres to the target, right then left"),
    Column("optical_axis", "numbers", 6, "unit vectors through the pupils' centres: visual axes turned by kappa"),
    Column("kappa", "numbers", 4, "optical minus visual axis, head frame: pitch, yaw in radians, right then left"),
    Column("eyes_mm", "numbers", 6, "midpoints between the corners of each eye, right then left, camera frame, mm"),
    Column("eyeball_mm", "number", 1, "radius of the eyeball"),
    Column("iris_mm", "number", 1, "radius of the iris"),
    Column("pupil_mm", "number", 1, "radius of the pupil"),
    Column("landmarks_2d", "numbers", 136, "68 landmarks in the usual order (36-41 the subject's right eye): x, y, px"),
    Column("landmarks_3d", "numbers", 204, "the same points, camera frame, mm"),
    Column("landmarks_visible", "flags", 68, "whether each is inside the photo and nothing of the head before it"),
    *_EYE_COLUMNS,
    Column("eye_visible", "numbers", 2, "share of the iris that the photo shows, right then left eye"),
    Column("opening_mm", "numbers", 2, "height of the opening of the lids at its middle, right then left eye"),
    Column("blink", "number", 1, "0 open to 1 closed"),
    Column("blinking", "flag", 1, "whether blink is at least 0.5"),
    Column("emotion", "count", 1, "RAF-DB: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral"),
    Column("smile", "number", 1, "strength 0-1"),
    Column("mouth_open", "number", 1, "strength 0-1"),
    Column("brow", "number", 1, "-0.6 (lowered) to 1 (raised)"),
    Column("squint", "number", 1, "strength 0-1"),
    Column("frown", "number", 1, "corners of the mouth down, 0-1"),
    Column("inner_brow", "number", 1, "inner ends of the brows up, 0-1"),
    Column("wrinkle", "number", 1, "nose and upper lip drawn up, 0-1"),
    Column("widen", "number", 1, "upper lids up, 0-1"),
    Column("one_sided", "number", 1, "smile of the subject's right side only (-1) to the left only (1)"),
    Column("light_direction", "numbers", 3, "unit vector towards the key light, camera frame"),
    Column("light_level", "number", 1, "brightness of all light together, 1 = usual"),
    Column("infrared", "flag", 1, "whether the photo was taken in near infrared"),
    Column("glasses", "flag", 1, "whether the person wears glasses on this photo"),
    Column("sunglasses", "flag", 1, "whether the glasses are opaque"),
    Column("hat", "flag", 1, "whether the person wears a hat"),
    Column("headscarf", "flag", 1, "whether the person wears a headscarf"),
    Column("face_mask", "flag", 1, "whether a mask covers nose and mouth"),
)  # fmt: skip

CONVENTIONS = (
    "Camera frame: x right, y down, z forward, millimetres. Pixels: x right, y down; integer coordinates are the "
    "middles of pixels, as OpenCV's warps take them, so the photo spans -0.5 to side - 0.5. Right and left eye are the "
    "subject's; the right one lies image-left. A frontal head has head_rotation = identity. The cornea's refraction is "
    "not drawn, so pupil and iris lie where they are projected."
)


def annotate(person: Identity, head: Head, scene: Scene, regions: Mask, depth: Array, samples: int) -> dict[str, Any]:
    """All columns of `COLUMNS` but photo, mask, person, split and domain."""
    landmarks = landmarks_3d(head, scene)
    pixels = project(scene.camera, landmarks)
    corners = landmarks[[36, 39, 42, 45]].reshape(2, 2, 3)
    direction = scene.target - scene.face_center
    row: dict[str, Any] = {
        "recording": scene.world.recording,
        "frame": scene.world.frame,
        "eye_movement": scene.world.movement,
        "camera_id": scene.world.camera_id,
        "size_px": np.array(scene.size_px, dtype=np.float64),
        "camera": scene.camera,
        "world_rotation": scene.world.rotation,
        "world_translation": scene.world.translation,
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
        "eyeball_mm": eye.BALL_MM,
        "iris_mm": person.iris_radius_mm,
        "pupil_mm": scene.pupil_mm,
        "landmarks_2d": pixels,
        "landmarks_3d": landmarks,
        "landmarks_visible": _unhidden(pixels, landmarks[:, 2], regions, depth, samples, 4.0),
        "blink": scene.blink,
        "blinking": scene.blink >= 0.5,
        "emotion": scene.emotion + 1,
        **scene.expression._asdict(),
        "light_direction": scene.light.direction,
        "light_level": scene.light.level,
        "infrared": scene.light.infrared,
        **scene.wear._asdict(),
        **_screen_columns(scene.screen),
    }
    for index, side in enumerate(("right", "left")):
        row |= _eye_columns(person, scene, regions, depth, samples, index, side)
    row["eye_visible"] = np.array([_iris_share(scene, person, regions, samples, index) for index in (0, 1)])
    row["opening_mm"] = np.array(
        [float(np.sum(lid.curves(np.zeros(1)) * np.array([[-1.0], [1.0]]))) for lid in scene.lids]
    )
    return {name: _plain(value) if isinstance(value, np.ndarray) else value for name, value in row.items()}


def _screen_columns(screen: Screen | None) -> dict[str, Any]:
    if screen is None:
        return dict.fromkeys(("screen_target_px", "screen_size", "screen_rotation", "screen_translation"))
    return {
        "screen_target_px": screen.target_px,
        "screen_size": np.array([*screen.size_px, *screen.size_mm], dtype=np.float64),
        "screen_rotation": screen.rotation,
        "screen_translation": screen.translation,
    }


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
    person: Identity, scene: Scene, regions: Mask, depth: Array, samples: int, index: int, side: str
) -> dict[str, Any]:
    center, axis = scene.eyes[index], scene.optical[index] @ scene.rotation
    row: dict[str, Any] = {}

    def place(part: str, points: Array) -> Array:
        """Writes 2D and 3D of points of the eye's frame; gives the pixels."""
        row[f"{part}_{side}_3d"] = points @ scene.rotation.T + center
        row[f"{part}_{side}_2d"] = project(scene.camera, row[f"{part}_{side}_3d"])
        return np.asarray(row[f"{part}_{side}_2d"])

    for name, radius in (("pupil", scene.pupil_mm), ("iris", person.iris_radius_mm)):
        middle = project(scene.camera, center + eye.IRIS_PLANE_MM * scene.optical[index])
        pixels = place(name, eye.ring(axis, radius))
        inner = middle + 0.94 * (pixels - middle)  # a sample on the edge itself may show either side
        row[f"{name}_{side}_visible"] = np.isin(_at(regions, inner, samples), (Region.PUPIL, Region.IRIS))
    pixels = place("lid", scene.lids[index].outline())
    row[f"lid_{side}_visible"] = _unhidden(pixels, row[f"lid_{side}_3d"][:, 2], regions, depth, samples, 2.5)
    return row


def _iris_share(scene: Scene, person: Identity, regions: Mask, samples: int, index: int) -> float:
    """Share of the iris's disc that shows as iris or pupil, by 200 points spread evenly over it."""
    i = np.arange(200) + 0.5
    radius, turn = person.iris_radius_mm * np.sqrt(i / 200), i * np.pi * (3 - 5**0.5)
    right, down = eye.frame(scene.optical[index])
    off = (radius * np.cos(turn))[:, None] * right + (radius * np.sin(turn))[:, None] * down
    points = scene.eyes[index] + eye.IRIS_PLANE_MM * scene.optical[index] + off
    seen = _at(regions, project(scene.camera, points), samples)
    return float(np.isin(seen, (Region.IRIS, Region.PUPIL)).mean())


def _unhidden(pixels: Array, z: Array, regions: Mask, depth: Array, samples: int, slack_mm: float) -> NDArray[np.bool_]:
    """Which points (N, 2) of depth z (N,) the photo shows: nothing solid before them and nothing worn on them."""
    worn = np.isin(_at(regions, pixels, samples), (Region.GLASSES, Region.HEADWEAR, Region.FACE_MASK))
    return np.asarray((_at(depth, pixels, samples, outside=-np.inf) > z - slack_mm) & ~worn)


def _at(picture: NDArray[Any], pixels: Array, samples: int, outside: float = 0) -> NDArray[Any]:
    """Values of the fine picture at photo pixels (N, 2)."""
    j, i = np.rint(pixels * samples + (samples - 1) / 2).astype(int).T
    height, width = picture.shape
    inside = (i >= 0) & (j >= 0) & (i < height) & (j < width)
    values = picture[np.clip(i, 0, height - 1), np.clip(j, 0, width - 1)]
    return np.where(inside, values, outside)


def schema() -> pa.Schema:
    """The Arrow schema of `COLUMNS`; each field carries its meaning."""
    fields = [pa.field(c.name, _TYPES[c.kind], metadata={"description": c.meaning}) for c in COLUMNS]
    return pa.schema(fields)


def document() -> str:
    """The columns as a page to read."""
    rows = "\n".join(f"| `{c.name}` | {c.kind} | {c.length} | {c.meaning} |" for c in COLUMNS)
    head = "| column | kind | values | meaning |\n| --- | --- | --- | --- |"
    classes = ", ".join(f"{region.value} {region.name.lower()}" for region in Region)
    title = "# Rendered faces: the columns of annotations.parquet"
    return f"{title}\n\n{CONVENTIONS}\n\nValues of the masks: {classes}.\n\n{head}\n{rows}\n"


_TYPES = {
    "text": pa.string(),
    "flag": pa.bool_(),
    "count": pa.int64(),
    "number": pa.float64(),
    "numbers": pa.list_(pa.float64()),
    "flags": pa.list_(pa.bool_()),
}
