"""From a name to a folder: `models:/slyk-gaze@champion`, a version of it, or a folder itself."""

import shutil
from pathlib import Path
from typing import Any

from slyk.bundle import CONFIG, WEIGHTS, bundle_digest
from slyk.errors import RegistryError
from slyk.files import resolve, root

MODEL = "slyk-gaze"
CHAMPION, CHALLENGER = "champion", "challenger"
PREFIX = "models:/"


def resolve_model(spec: str) -> Path:
    """The folder of config.json and model.safetensors that `spec` names.

    A folder is returned as it is, without MLflow. A registered version comes from `.slyk/models` when it was fetched
    before, else from the store; either way its digest is compared with the one registered. Raises RegistryError.
    """
    if not spec.startswith(PREFIX):
        return resolve(spec)
    from jobs import tracking

    client = tracking.connect(make=False)
    name, alias, number = _parts(spec)
    version = find_version(client, alias, name) if alias else _version(client, name, number)
    if version is None:
        raise RegistryError(f"{spec} not found: {_known(client, name)}")
    return fetch(version)


def fetch(version: Any) -> Path:
    """The files of a registered version on this machine, checked against its digest."""
    digest = version.tags.get("bundle_digest", "")
    folder: Path = root() / ".slyk" / "models" / digest[:16]
    if digest and _is_bundle(folder, digest):
        return folder
    import mlflow

    try:
        source = Path(mlflow.artifacts.download_artifacts(f"{PREFIX}{version.name}/{version.version}"))
    except Exception as error:  # each artifact store has its own
        raise RegistryError(f"the files of {version.name} version {version.version} cannot be read: {error}") from None
    if not _is_bundle(source / "artifacts", digest):
        raise RegistryError(
            f"the files of {version.name} version {version.version} differ from what was registered: "
            "restore the artifact store, or register the model again with `dvc repro --force register`"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, CONFIG):
        shutil.copyfile(source / "artifacts" / name, folder / name)
    return folder


def find_version(client: Any, alias: str, name: str = MODEL) -> Any | None:
    """The version that carries an alias, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def all_versions(client: Any, name: str = MODEL) -> list[Any]:
    """Every version, oldest first."""
    return sorted(client.search_model_versions(f"name = '{name}'"), key=lambda v: int(v.version))


def champion_or_challenger() -> tuple[Path, str]:
    """The model that predictions come from: the champion, else the challenger; and which of them it is."""
    from jobs import tracking

    client = tracking.connect(make=False)
    for alias in (CHAMPION, CHALLENGER):
        version = find_version(client, alias)
        if version is not None:
            return fetch(version), alias
    raise RegistryError(f"{MODEL} has no version yet: run `dvc repro`, or name a folder with --model")


def _is_bundle(folder: Path, digest: str) -> bool:
    whole = (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()
    return whole and bundle_digest(folder) == digest


def _parts(spec: str) -> tuple[str, str, str]:
    name, _, alias = spec.removeprefix(PREFIX).partition("@")
    name, _, number = name.partition("/")
    if not name or bool(alias) == bool(number):
        raise RegistryError(f"{spec}: expected {PREFIX}{MODEL}@{CHAMPION} or {PREFIX}{MODEL}/1")
    return name, alias, number


def _version(client: Any, name: str, number: str) -> Any | None:
    return next((v for v in all_versions(client, name) if str(v.version) == number), None)


def _known(client: Any, name: str) -> str:
    versions = all_versions(client, name)
    if not versions:
        return f"{name} has no version yet, run `dvc repro`"
    aliases = sorted(alias for v in versions for alias in client.get_model_version(name, v.version).aliases)
    return f"there are versions 1 to {versions[-1].version} and the aliases {', '.join(aliases) or 'none'}"
