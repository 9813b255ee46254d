"""The statistics of real near-frontal portraits, which `benchmarks.photometry` holds the renders against.

    python -m benchmarks.portraits --photos DIR --out benchmarks/portraits.json

portraits.json comes from 300 official portraits of 260x346 px; photos (c) UK Parliament, CC BY 3.0. No photo is part of
the project, only these numbers.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.faces import MM_PER_PX, Crop, aligned_face
from benchmarks.texture import BANDS, GRADIENTS, summarize
from slyk.files import write_json

ATTRIBUTION = "photos (c) UK Parliament, CC BY 3.0"
COMMAND = "python -m benchmarks.portraits --photos DIR --out benchmarks/portraits.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted(args.photos.glob("*.jpg"))
    faces = aligned_portraits(paths)
    distances = np.array([distance for _, distance in faces])
    quantiles = np.quantile(distances, np.linspace(0.05, 0.95, 19))
    result = {
        "attribution": ATTRIBUTION,
        "command": COMMAND,
        "num_photos": len(paths),
        "num_used": len(faces),
        "mm_per_px": MM_PER_PX,
        "bands_cycles_per_px": [round(float(edge), 5) for edge in BANDS],
        "gradient_edges": [float(edge) for edge in GRADIENTS[:-1]],
        "eye_distance_px": [round(float(q), 3) for q in quantiles],
        **summarize([crop for crop, _ in faces]),
    }
    write_json(args.out, result)
    print(f"portraits: {len(faces)} of {len(paths)} photos with both eyes found, statistics in {args.out}")


def aligned_portraits(paths: list[Path]) -> list[tuple[Crop, float]]:
    """Crops and eye distances in px of the photos in which both eyes are found."""
    photos = (np.asarray(cv2.imread(str(path)), dtype=np.uint8) for path in paths)
    return [face for face in map(aligned_face, photos) if face is not None]


if __name__ == "__main__":
    main()
