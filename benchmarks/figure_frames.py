"""The drawing of frames and signs in docs/synthetic.md, over photos that the renderer makes for it.

python -m benchmarks.figure_frames [--out docs/images/frames.png]
"""

import argparse
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from benchmarks.faces import Photo
from slyk.files import write_atomic
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array, camera_matrix, project
from slyk.synthetic import draw
from slyk.synthetic.annotate import annotate
from slyk.synthetic.expression import Expression
from slyk.synthetic.regions import PALETTE, Mask, Region, shrink
from slyk.synthetic.render import Person, Picture, make_person, take_photo
from slyk.synthetic.scene import Backdrop, Light, Scene, Sensor, Setup, Wear, make_scene

SEED, NUMBER = 2, 3
SAMPLES = 3
FACE_PX, EYE_PX, SIGN_PX = 330, 330, 132
DISTANCE_MM, TARGET_MM = 600.0, 500.0
FACE_MM, EYE_MM, SIGN_MM = 250.0, 40.0, 170.0
"""Widths that the photos show."""
HEAD, GAZE, EYE_GAZE = np.deg2rad([[-14.0, 24.0], [7.0, 32.0], [2.0, -24.0]])
"""Pitch and yaw of head and gaze on the photo of the face, of gaze on that of the eye, where the head is frontal."""
SIGNS = {"pitch > 0": (18, 0), "pitch < 0": (-18, 0), "yaw > 0": (0, 25), "yaw < 0": (0, -25)}
NUMBERED = {
    0: (-9, 0), 4: (-9, 0), 8: (0, 9), 12: (9, 4), 16: (9, 0), 17: (0, -9), 21: (0, -9), 22: (0, -9), 26: (0, -9),
    27: (9, 0), 30: (9, -4), 31: (-9, 0), 35: (9, 0), 36: (-9, 2), 39: (9, 2), 42: (-9, 2), 45: (9, 2),
    48: (-9, 2), 51: (0, -9), 54: (9, 2), 57: (0, 9),
}  # fmt: skip
"""Landmarks that are numbered, and where their number stands, px."""
GREYS = 24
RED, GREEN, BLUE, YELLOW, CYAN = "#ff4d4d", "#4ddb5f", "#5aa2ff", "#ffd24d", "#39d7e0"
STYLE = {"font.size": 7.5, "font.family": "DejaVu Sans", "axes.titlesize": 8.5, "axes.titlelocation": "left"}
Ends = Mapping[str, Array]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/frames.png"))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    write_atomic(args.out, encoded(figure()))
    print(f"figure: {args.out}, {args.out.stat().st_size / 1000:.0f} kB")


def scene_of(who: Person, head: Array, gaze: Array, camera: Array, size_px: int) -> Scene:
    """The person at rest, head and gaze (2,) as pitch and yaw in the camera frame."""
    center = np.array([0.0, 0.0, DISTANCE_MM])
    rotation = draw.rotation(float(head[0]), float(head[1]), 0.0)
    side = np.array([0.45, -0.5, -0.74])
    light = Light(side / np.linalg.norm(side), np.full(3, 0.8), np.full((6, 3), 0.42), 1.0)
    return make_scene(
        who.identity,
        who.head,
        Setup(
            size_px=(size_px, size_px),
            camera=camera,
            face_center=center,
            rotation=rotation,
            torso=draw.rotation(0.0, float(0.4 * head[1]), 0.0),
            target=center + TARGET_MM * vector_from_pitchyaw(gaze),
            expression=Expression(),
            emotion=6,
            blink=0.0,
            wear=Wear(),
            pupil_mm=1.9,
            light=light,
            sensor=Sensor(noise=0.0, chroma_noise=0.0),
            backdrop=Backdrop("wall", 3),
        ),
    )


def face_camera(size_px: int, width_mm: float) -> Array:
    """A camera (3, 3) whose photo shows so much at the face, the face a little below its middle."""
    middle = size_px / 2 - 0.5
    return camera_matrix(size_px * DISTANCE_MM / width_mm, (middle, middle))


def eye_camera(scene: Scene, index: int) -> Array:
    """The camera of a scene, its photo cut around one eye and enlarged."""
    focal = EYE_PX * float(scene.eyes[index, 2]) / EYE_MM
    x, y = focal * scene.eyes[index, :2] / scene.eyes[index, 2]
    return camera_matrix(focal, (EYE_PX / 2 - 0.5 - float(x), EYE_PX / 2 - 0.5 - float(y)))


def face_marks(scene: Scene) -> Ends:
    """Name -> start and end (2, 2) on the photo: the axes of the head from its origin, gaze from the face centre, the
    way back to the camera."""
    axes = {f"head {name}": (scene.translation, 60.0 * scene.rotation[:, i]) for i, name in enumerate("xyz")}
    gaze = scene.target - scene.face_center
    axes["gaze"] = (scene.face_center, 80.0 * gaze / np.linalg.norm(gaze))
    return {name: project(scene.camera, np.stack([at, at + way])) for name, (at, way) in axes.items()}


def eye_marks(scene: Scene, index: int) -> Ends:
    """Name -> start and end (2, 2) on the photo of both axes of an eye, from its centre."""
    at = scene.eyes[index]
    ways = {"visual axis": scene.visual[index], "optical axis": scene.optical[index]}
    return {name: project(scene.camera, np.stack([at, at + 30.0 * way])) for name, way in ways.items()}


def photo_of(who: Person, scene: Scene, photo: int) -> tuple[Picture, Photo]:
    """The picture and its photo in grey, on which colours stand out."""
    picture = take_photo(who, scene, seed=SEED, number=NUMBER, photo=photo, samples=SAMPLES)
    return picture, np.asarray(cv2.cvtColor(picture.photo, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def labels_of(who: Person, scene: Scene, picture: Picture) -> Mapping[str, Any]:
    """The annotations of a picture, as they stand in a rendered set."""
    return annotate(who.identity, who.head, scene, picture.regions, picture.depth, SAMPLES)


def figure() -> Figure:
    """The whole drawing."""
    who = make_person(SEED, NUMBER)
    face = scene_of(who, HEAD, GAZE, face_camera(FACE_PX, FACE_MM), FACE_PX)
    picture, photo = photo_of(who, face, 0)
    close = scene_of(who, np.zeros(2), EYE_GAZE, np.eye(3), EYE_PX)
    close = replace(close, camera=eye_camera(close, 0))
    near, near_photo = photo_of(who, close, 1)
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(10.2, 7.3), dpi=100)
        grid = drawn.add_gridspec(2, 12, left=0.005, right=0.995, top=0.965, bottom=0.01, wspace=0.12, hspace=0.09)
        draw_face(drawn.add_subplot(grid[0, :4]), face, photo)
        draw_eye(drawn.add_subplot(grid[0, 4:8]), close, near_photo, 0)
        cells = grid[0, 8:].subgridspec(2, 2, wspace=0.03, hspace=0.12)
        draw_signs([drawn.add_subplot(cells[i // 2, i % 2]) for i in range(4)], who)
        draw_landmarks(drawn.add_subplot(grid[1, :4]), labels_of(who, face, picture), photo)
        draw_contours(drawn.add_subplot(grid[1, 4:8]), labels_of(who, close, near), near_photo)
        draw_regions(drawn.add_subplot(grid[1, 8:]), picture.regions)
    return drawn


def encoded(drawn: Figure) -> bytes:
    """PNG of few colours, which stays small: greys for the photos and those of the marks, also half in the dark."""
    marks = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in (RED, GREEN, BLUE, YELLOW, CYAN)])
    greys = np.repeat(np.linspace(0, 255, GREYS), 3).reshape(-1, 3)
    table = np.rint(np.concatenate([greys, PALETTE, marks, 0.6 * marks, 0.5 * PALETTE[1:] + 64])).astype(int)
    palette, plain, small = Image.new("P", (1, 1)), io.BytesIO(), io.BytesIO()
    palette.putpalette(table.ravel().tolist())
    drawn.savefig(plain, format="png")
    with Image.open(plain) as picture:
        few = picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        few.save(small, format="png", optimize=True)
    return small.getvalue()


def show(axes: Axes, photo: Photo, title: str) -> None:
    axes.imshow(photo, cmap="gray", vmin=0, vmax=255)
    axes.set_title(title, pad=3)
    axes.set_xticks([])
    axes.set_yticks([])


def arrow(axes: Axes, ends: Array, color: str, label: str, *, at: tuple[float, float] = (0.0, 0.0)) -> None:
    """An arrow with its name beside its tip, moved by `at` px."""
    (x0, y0), (x1, y1) = ends
    look = {"arrowstyle": "-|>", "color": color, "lw": 1.8, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 11}
    axes.annotate("", (x1, y1), (x0, y0), arrowprops=look)
    write(axes, x1 + at[0], y1 + at[1], label, color)


def write(axes: Axes, x: float, y: float, text: str, color: str = "white") -> None:
    back = {"facecolor": "#101014", "edgecolor": "none", "alpha": 0.72, "pad": 1.2}
    axes.text(x, y, text, color=color, ha="center", va="center", bbox=back)


def draw_face(axes: Axes, scene: Scene, photo: Photo) -> None:
    show(axes, photo, "frames and gaze, millimetres")
    marks = face_marks(scene)
    arrow(axes, marks["head x"], RED, "head x", at=(20, 9))
    arrow(axes, marks["head y"], GREEN, "head y", at=(20, 8))
    arrow(axes, marks["head z"], BLUE, "head z, into the head", at=(44, -8))
    arrow(axes, marks["gaze"], YELLOW, "gaze", at=(-6, -11))
    axes.plot(*marks["gaze"][0], "o", color=YELLOW, ms=4)
    write(axes, marks["gaze"][0, 0] - 30, marks["gaze"][0, 1] + 13, "face centre", YELLOW)
    x, y = 24.0, FACE_PX - 66.0
    arrow(axes, np.array([[x, y], [x + 48, y]]), RED, "camera x", at=(26, 0))
    arrow(axes, np.array([[x, y], [x, y + 44]]), GREEN, "camera y", at=(28, 4))
    axes.plot(x, y, "o", mfc="#101014", mec=BLUE, ms=9)
    axes.plot(x, y, "x", color=BLUE, ms=5)
    write(axes, x + 52, y - 17, "camera z: away from it", BLUE)


def draw_eye(axes: Axes, scene: Scene, photo: Photo, index: int) -> None:
    show(axes, photo, "the subject's right eye (image-left)")
    marks = eye_marks(scene, index)
    arrow(axes, marks["visual axis"], YELLOW, "visual axis, to the target", at=(-6, 14))
    arrow(axes, marks["optical axis"], CYAN, "optical axis, through the pupil", at=(-10, -50))
    axes.plot(*marks["visual axis"][0], "o", color="white", ms=4)
    x, y = marks["visual axis"][0]
    write(axes, x - 56, y, "centre of rotation")
    apart = np.rad2deg(np.arccos(np.clip(scene.visual[index] @ scene.optical[index], -1, 1)))
    write(axes, EYE_PX / 2, EYE_PX - 12, f"between them: kappa, here {apart:.1f} degrees")


def draw_signs(cells: list[Axes], who: Person) -> None:
    for photo, (axes, (name, angles)) in enumerate(zip(cells, SIGNS.items(), strict=True), start=2):
        gaze = np.deg2rad(np.array(angles, dtype=np.float64))
        scene = scene_of(who, np.zeros(2), gaze, face_camera(SIGN_PX, SIGN_MM), SIGN_PX)
        where = {"pitch > 0": "up", "pitch < 0": "down", "yaw > 0": "image-left", "yaw < 0": "image-right"}[name]
        show(axes, photo_of(who, scene, photo)[1], f"{name}: {where}")
        arrow(axes, face_marks(scene)["gaze"], YELLOW, "")


def draw_landmarks(axes: Axes, labels: Mapping[str, Any], photo: Photo) -> None:
    show(axes, np.asarray(photo * 0.5, np.uint8), "68 landmarks, counted from 0")
    pixels = np.reshape(labels["landmarks_2d"], (-1, 2))
    axes.plot(*pixels.T, ".", color=GREEN, ms=3)
    for number, (dx, dy) in NUMBERED.items():
        x, y = pixels[number] + (dx, dy)
        axes.text(x, y, str(number), color="white", fontsize=6.5, ha="center", va="center")


def draw_contours(axes: Axes, labels: Mapping[str, Any], photo: Photo) -> None:
    show(axes, np.asarray(photo * 0.6, np.uint8), "contours of this eye, counted from 0")
    for part, color, away, numbers in (
        ("lid", YELLOW, 15.0, (4, 8, 12, 17, 21, 25, 29, 33)),
        ("iris", CYAN, 11.0, range(8)),
        ("pupil", RED, 0.0, ()),
    ):
        pixels = np.reshape(labels[f"{part}_right_2d"], (-1, 2))
        middle = pixels.mean(axis=0)
        axes.plot(*pixels.T, ".", color=color, ms=4)
        for number in numbers:
            out = pixels[number] - middle
            x, y = pixels[number] + away * out / np.linalg.norm(out)
            text = {17: "0, 17", 33: "16, 33"}.get(number, str(number))
            axes.text(x, y, text, color=color, fontsize=6.5, ha="center", va="center")
        axes.plot([], [], ".", color=color, label=f"{part}: {len(pixels)}" + ("" if numbers else ", as the iris"))
    axes.legend(loc="upper right", fontsize=7, framealpha=0.7)


def draw_regions(axes: Axes, regions: Mask) -> None:
    show(axes, np.asarray(PALETTE[shrink(regions, SAMPLES)], np.uint8), "region mask: its values, our colours")
    axes.set_facecolor(tuple(PALETTE[Region.BACKGROUND] / 255))
    axes.set_xlim(-110, FACE_PX)
    patches = [
        Patch(
            facecolor=tuple(PALETTE[region] / 255),
            edgecolor="#888888",
            label=f"{region.value} {region.name.lower().replace('_', ' ')}",
        )
        for region in Region
    ]
    axes.legend(
        handles=patches, loc="center left", labelcolor="white", facecolor="none", edgecolor="none", labelspacing=0.2
    )


if __name__ == "__main__":
    main()
