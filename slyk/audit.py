"""Is what a data set says of its pictures true? Numbers for the data report, from sidecars, index and rejects."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from slyk.duplicates.compare import Pictures, compare
from slyk.duplicates.search import Photo, photos
from slyk.geometry.angles import angular_error, vector_from_pitchyaw
from slyk.geometry.camera import Array

MIN_TURN_DEG = 8.0
"""Gaze nearer to the middle says nothing about its sign."""
MAX_APART_MM = 3.0
"""Where the dark of one eye lies otherwise than that of the other, one of them is no iris (glasses, lashes, shadow)."""
MAX_FLIPPED = 0.10
"""More photos than this whose mirrored label fits better make a set suspect (the rendered set: 0.01 in pitch, 0.05 in
yaw; with every fifth label mirrored: 0.22, 0.24)."""
MIN_CORRELATION = 0.3
"""Below it the dark of the eye does not follow the label as it should (rendered sets: 0.6 to 0.9)."""
MIN_SAMPLES = 30
MIN_OF_GROUP = 5


class Offsets(NamedTuple):
    """N photos with a label and eyes that show. groups: of the photos; gaze, head (N, 2): pitch, yaw in degrees; dark
    (N, 2): where the eyes are dark, x and y; agree (N, 2): whether the two eyes do."""

    groups: "pd.Series[str]"
    gaze: Array
    head: Array
    dark: Array
    agree: NDArray[np.bool_]


def samples_table(sidecars: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row a sample of the shards, with what `write_shard` measured: key, group, split, light, eyes, gaze, head."""
    rows = []
    for sidecar in sidecars:
        for key, values in sidecar["measures"].items():
            rows.append({"key": key, "group": sidecar["group"], "split": sidecar["split"], **values})
    return pd.DataFrame(rows)


def offsets(samples: pd.DataFrame) -> Offsets | None:
    """Where the eyes are dark and what the labels say; None where fewer than 30 photos tell.

    Of faces with both eyes in the picture the mean of both eyes, mm from their middles. Of single eyes, which have no
    head pose, in widths of the opening; dark and gaze there from the medians of their group, since each recording has a
    camera that stands otherwise about the eye, and no group of fewer than 5.
    """
    if "gaze" not in samples or not len(samples):
        return None
    labelled = samples[samples["gaze"].notna()]
    found = _of_eyes(labelled) if "dark" in samples else _of_faces(labelled)
    return found if len(found.groups) >= MIN_SAMPLES else None


def _of_faces(labelled: pd.DataFrame) -> Offsets:
    usable = labelled[(labelled["right_seen"] > 0.9) & (labelled["left_seen"] > 0.9)]
    right, left = (_pairs(usable[f"{side}_mm"]) for side in ("right", "left"))
    gaze, head = (np.rad2deg(_pairs(usable[name])) for name in ("gaze", "head"))
    return Offsets(usable["group"], gaze, head, (right + left) / 2, np.abs(right - left) < MAX_APART_MM)


def _of_eyes(labelled: pd.DataFrame) -> Offsets:
    usable = labelled[labelled["dark"].notna()]
    usable = usable[usable.groupby("group")["group"].transform("size") >= MIN_OF_GROUP]
    gaze, dark = np.rad2deg(_pairs(usable["gaze"])), _pairs(usable["dark"])
    for group in usable["group"].unique():
        those = (usable["group"] == group).to_numpy()
        gaze[those] -= np.median(gaze[those], axis=0)
        dark[those] -= np.median(dark[those], axis=0)
    return Offsets(usable["group"], gaze, np.zeros_like(gaze), dark, np.ones(gaze.shape, dtype=bool))


def _pairs(column: "pd.Series[Any]") -> Array:
    """(N, 2), also of no rows."""
    return np.array(column.to_list(), dtype=np.float64).reshape(-1, 2)


def consistency(samples: pd.DataFrame) -> dict[str, Any]:
    """Whether the dark of the eyes moves with the label: for pitch and yaw the correlation, whose sign must be
    negative (image-left is x < 0 and yaw > 0; up is y < 0 and pitch > 0), and the share of photos that the mirrored
    label fits better than the label, among those whose label and eyes are well off the middle and whose eyes agree.

    A line from the offset of the dark and the head's angle to the label is fitted so that few wrong labels do not bend
    it (Huber's weights). Empty where fewer than 30 photos tell (`offsets`).
    """
    seen = offsets(samples)
    if seen is None:
        return {}
    found: dict[str, Any] = {}
    for name, column, axis in (("pitch", 0, 1), ("yaw", 1, 0)):
        label, head, offset = seen.gaze[:, column], seen.head[:, column], seen.dark[:, axis]
        relative = label - head  # what moves the eye in the head
        predicted = _robust_line(np.column_stack([offset, head]), label)
        middle = np.median(label)
        sure = seen.agree[:, axis] & (np.abs(label - middle) > MIN_TURN_DEG)
        sure &= np.abs(predicted - middle) > MIN_TURN_DEG
        mirrored = np.sign(label - middle) != np.sign(predicted - middle)
        correlation = _correlation(offset, relative if np.std(head) > 1 else label)
        found[name] = {
            "correlation": round(correlation, 4),
            "num_photos": int(sure.sum()),
            "share_mirrored": round(float(mirrored[sure].mean()), 4) if sure.any() else 0.0,
            "groups": _worst_groups(seen.groups[sure & mirrored], seen.groups[sure]),
        }
    return found


def verdicts(checks: Mapping[str, Any]) -> list[str]:
    """What of `consistency` is not as it should be, in words; empty where all is well."""
    told = []
    for name, value in checks.items():
        if value["correlation"] > MIN_CORRELATION:
            told.append(f"{name} has the wrong sign: the eyes move against the labels ({value['correlation']:+.2f})")
        elif value["correlation"] > -MIN_CORRELATION:
            told.append(
                f"{name} does not follow the eyes (correlation {value['correlation']:+.2f}, expected below -0.3)"
            )
        if value["share_mirrored"] > MAX_FLIPPED:
            groups = ", ".join(f"{group} {share:.0%}" for group, share in list(value["groups"].items())[:5])
            told.append(f"{name} of {value['share_mirrored']:.0%} of the photos fits better mirrored; most in {groups}")
    return told


def near_duplicates(samples: pd.DataFrame, dataset: str, pictures: Pictures) -> dict[str, Any]:
    """Photos of the test split that show the same picture as one of the training split, and all that do so across
    groups: see `compare`. samples: of `samples_table`."""
    rows = zip(samples["group"], samples["key"], samples["phash"], strict=True) if len(samples) else ()
    everything = photos((Photo(dataset, group, key), phash) for group, key, phash in rows)
    test_groups = set(samples.loc[samples["split"] == "test", "group"]) if len(samples) else set()
    test = np.array([photo.group in test_groups for photo in everything.names], dtype=bool)
    return {
        "across_splits": compare(everything.among(test), everything.among(~test), pictures),
        "across_groups": compare(everything, everything, pictures),
    }


def summary(samples: pd.DataFrame, rejects: pd.DataFrame, index: pd.DataFrame) -> dict[str, Any]:
    """Counts and distributions: by split, group, tag and reason; gaze and head in degrees; light and sharpness.

    Sets of single eyes have no angles of the head, and no eye that a border cuts.
    """
    labelled = samples[samples["gaze"].notna()] if len(samples) else samples
    angles = {}
    for name, rows in (("gaze", labelled), ("head", samples)):
        if len(rows) and name in rows:
            values = np.rad2deg(np.stack(rows[name].to_list()))
            angles[name] = {axis: _spread(values[:, i]) for i, axis in enumerate(("pitch", "yaw"))}
    tags = Counter(tag for row in index.get("tags", []) for tag in row)
    two_eyes = np.minimum(samples["right_seen"], samples["left_seen"]) if "right_seen" in samples else np.zeros(0)
    return {
        "num_faces": len(index),
        "num_samples": len(samples),
        "num_labelled": len(labelled),
        "num_rejects": len(rejects),
        "rejects": _counts(rejects, ["stage", "reason"]),
        "splits": _counts(samples, ["split"]),
        "groups": _counts(samples, ["group"]),
        "tags": dict(sorted(tags.items())),
        "eyes": _counts(index, ["eyes"]),
        "known": _counts(index, ["known"]),
        "angles_deg": angles,
        "light": {name: _spread(samples[name].to_numpy()) for name in ("luminance", "contrast", "sharpness")}
        if len(samples)
        else {},
        "num_eyes_cut": int(np.sum(np.asarray(two_eyes) < 0.9)),
        "mean_gaze_error_deg": _mean_gaze_error(labelled),
    }


def _robust_line(features: Array, target: Array) -> Array:
    """Predictions (N,) of a line fitted by iteratively reweighted least squares."""
    design = np.column_stack([features, np.ones(len(features))])
    weights = np.ones(len(target))
    predicted = np.zeros(len(target))
    for _ in range(20):
        root = np.sqrt(weights)[:, None]
        line = np.linalg.lstsq(design * root, target * root[:, 0], rcond=None)[0]
        predicted = design @ line
        off = np.abs(target - predicted)
        scale = max(1.4826 * float(np.median(off)), 1e-6)
        weights = 1.0 / np.maximum(off / (1.345 * scale), 1.0)
    return np.asarray(predicted)


def _correlation(a: Array, b: Array) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if np.std(a) > 1e-9 and np.std(b) > 1e-9 else 0.0


def _worst_groups(flipped: "pd.Series[str]", among: "pd.Series[str]") -> dict[str, float]:
    """Group -> share of its photos that fit better mirrored, worst first, ten at most."""
    totals = Counter(among)
    counts = Counter(flipped).items()
    shares = {group: round(count / totals[group], 4) for group, count in counts if totals[group] >= MIN_OF_GROUP}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:10])


def _counts(table: pd.DataFrame, names: Sequence[str]) -> dict[str, int]:
    if not len(table):
        return {}
    keys = table[list(names)].astype(str).agg(" ".join, axis=1)
    return {str(key): int(count) for key, count in sorted(Counter(keys).items())}


def _spread(values: Array) -> dict[str, float]:
    names = ("min", "p05", "median", "p95", "max")
    found = dict(zip(names, np.quantile(values, [0, 0.05, 0.5, 0.95, 1]).tolist(), strict=True))
    return {name: round(float(value), 3) for name, value in {**found, "mean": np.mean(values)}.items()}


def _mean_gaze_error(labelled: pd.DataFrame) -> float | None:
    """Mean angle in degrees to the mean direction: what a constant reaches."""
    if not len(labelled):
        return None
    vectors = vector_from_pitchyaw(np.stack(labelled["gaze"].to_list()))
    return round(float(np.rad2deg(angular_error(vectors, vectors.mean(axis=0)[None])).mean()), 3)
