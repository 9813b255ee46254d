"""`slyk submit-xgaze`: answers for the test people of ETH-XGaze, whose labels are not in the set, as it evaluates them.

A line `pitch,yaw` in radians for each picture of the files under `test` in train_test_split.json, in the order of that
list, which is not the order of names, and of the rows in each file. The evaluation takes lines by their number, so
there is one for every picture, also for those that were rejected: they get the mean of all answers. What of this is
known and what is not: docs/protocols.md.
"""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from jobs.evaluate import check_unseen
from jobs.scoring import check_crops
from pipelines.index import raw_root
from slyk.bundle import load_bundle
from slyk.config import load_params
from slyk.datasets.pictures import container_of, place_of
from slyk.datasets.xgaze import SPLIT, listed
from slyk.errors import DataMissingError, ParamsError, SlykError
from slyk.files import resolve, write_atomic
from slyk.geometry.angles import Array, pitchyaw_from_vector
from slyk.inference import GazeEstimator
from slyk.metrics import errors_deg
from slyk.shards import manifest
from slyk.shards.read import ShardSet

NAME = "within_eva_results.txt"
READER = "xgaze_224"
INDEX, LABELS = "index.txt", "within_test_labels.txt"


def submit(name: str, model: Path, out: Path, reference: Path | None = None) -> None:
    """Writes `out/within_eva_results.txt` for the set `name` of params.yaml, and prints its error where a folder with
    the published labels is given.

    Raises ParamsError, DataMissingError, RegistryError where the model has learned from one of these people.
    """
    params = load_params(resolve("params.yaml"))
    if name not in params.datasets or params.datasets[name].reader != READER:
        known = [known for known, dataset in params.datasets.items() if dataset.reader == READER]
        raise ParamsError(f"{name} is not read by {READER}; sets of params.yaml that are: {', '.join(known) or 'none'}")
    raw = raw_root(name, params.datasets[name])
    people = listed(raw).get("test", [])
    if not people:
        raise DataMissingError(f"{raw.root}/{SPLIT} lists nobody under test: it tells the order of the lines")
    shards = resolve("data/shards") / name
    answers = predict(name, model, shards, people, batch_size=params.evaluate.batch_size)
    rejected = [resolve(f"data/index/{name}.rejects.parquet"), shards / "rejects.parquet"]
    left_out = [photo for path in rejected for photo in pq.read_table(path, columns=["photo"])["photo"].to_pylist()]
    order = [photo for person in people for photo in rows_of(person, [*answers, *left_out])]
    vectors = np.stack([answers.get(photo, np.full(3, np.nan)) for photo in order])
    missing = np.isnan(vectors[:, 0])
    vectors[missing] = vectors[~missing].mean(axis=0)
    lines = pitchyaw_from_vector(vectors)
    text = io.StringIO()
    np.savetxt(text, lines, delimiter=",")
    write_atomic(out / NAME, text.getvalue().encode())
    print(f"{out / NAME}: {len(lines)} lines for {len(people)} people; {missing.sum()} rejected, answered by the mean")
    if reference is not None:
        errors = score(lines, reference)
        print(f"error on the {len(errors)} photos that count: {errors.mean():.4f} deg (SD {errors.std():.4f})")


def predict(name: str, model: Path, shards: Path, people: Iterable[str], *, batch_size: int) -> dict[str, Array]:
    """Photo -> gaze (3,) in the frame of the picture, of everybody listed. Raises RegistryError."""
    chosen = tuple(people)
    check_unseen(load_bundle(model), name, chosen)
    estimator = GazeEstimator.load(model)
    samples = ShardSet(shards, manifest.load(shards), chosen)
    check_crops(estimator.bundle, samples)
    answers: dict[str, Array] = {}
    for start in range(0, len(samples), batch_size):
        batch = [samples[index] for index in range(start, min(start + batch_size, len(samples)))]
        answers |= dict(zip([s.photo for s in batch], estimator.gaze_in_camera(batch), strict=True))
    if not answers:
        raise DataMissingError(f"{shards} holds no picture of {', '.join(chosen[:3])} ...: is the folder test/ there?")
    return answers


def rows_of(person: str, photos: Iterable[str]) -> list[str]:
    """The pictures of a person's file in the order of its rows. Raises DataMissingError where one is not known."""
    file = f"test/{person}.h5"
    places = {int(place_of(photo)): photo for photo in photos if container_of(photo) == file and place_of(photo)}
    if not places or sorted(places) != list(range(len(places))):
        raise DataMissingError(
            f"{file}: rows of its {len(places)} known pictures have gaps, or it could not be read: put the file of the "
            "set there, then run `slyk data scan` and `dvc repro`"
        )
    return [places[row] for row in sorted(places)]


def score(lines: Array, reference: Path) -> Array:
    """Errors (K,) in degrees on the lines (N, 2) that count, by the published labels of the within-dataset setting.

    Raises SlykError where they belong to another number of lines.
    """
    try:
        index = np.loadtxt(reference / INDEX, dtype=np.int64, ndmin=1)
        labels = np.loadtxt(reference / LABELS, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise SlykError(f"{reference} is not the folder of {INDEX} and {LABELS}: {error}") from None
    if labels.shape != (len(index), 2) or index.min() < 0 or index.max() >= len(lines):
        raise SlykError(
            f"{reference}: {len(index)} line numbers up to {index.max()} and labels {labels.shape} do not belong to "
            f"{len(lines)} lines: is a test person missing?"
        )
    return errors_deg(lines[index], labels)
