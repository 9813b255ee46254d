"""The `slyk` command: thin, and quick to answer `--help`, since each command imports what it needs when it runs."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from jobs.stage import outside_error, told
from slyk.errors import SlykError
from slyk.files import resolve

METRICS = "reports/gaze/metrics.json"

app = typer.Typer(
    name="slyk",
    help="From raw gaze data sets to a trained, evaluated, registered and promoted model. The flow itself: dvc repro",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(no_args_is_help=True, help="Raw data sets.")
app.add_typer(data, name="data")
shards = typer.Typer(no_args_is_help=True, help="Shards of normalized faces.")
app.add_typer(shards, name="shards")


@data.command("scan")
def data_scan(
    names: Annotated[list[str] | None, typer.Argument(help="Sets of params.yaml; all where none is named.")] = None,
) -> None:
    """List the files of raw data sets: tells dvc repro what has changed."""
    from jobs.scan import scan_datasets

    scan_datasets(names or [])


@data.command("export")
def data_export(
    name: Annotated[str, typer.Argument(help="A rendered set: a name of params.yaml, or a folder of data/raw.")],
    layout: Annotated[str, typer.Option(help="mpiifacegaze, gaze360, xgaze, xgaze_224, teyed or raf_db.")],
    out: Annotated[Path | None, typer.Option(help="New folder; data/raw/LAYOUT where none is named.")] = None,
) -> None:
    """Write a rendered set in the layout of the real data set that it resembles."""
    from jobs.export import export_command

    export_command(name, layout, out)


@data.command("report")
def data_report(
    name: Annotated[str, typer.Argument(help="A set of params.yaml that was normalized.")],
    faces: Annotated[
        bool, typer.Option("--faces", help="Also a sheet of faces with arrows of gaze: personal data, keep it so.")
    ] = False,
) -> None:
    """Write what is in a data set, and whether labels and pictures agree, to reports/data/NAME."""
    from jobs.data_report import data_report as write

    print(f"report: {write(name, faces=faces)}")


@shards.command("verify")
def shards_verify(name: Annotated[str, typer.Argument(help="A set of params.yaml.")]) -> None:
    """Check every byte of a set's shards, and that nothing else lies beside them. Exit status 2: something does."""
    from jobs.shards import verify_shards

    verify_shards(name)


@shards.command("show")
def shards_show(
    name: Annotated[str, typer.Argument(help="A set of params.yaml.")],
    pictures: Annotated[Path | None, typer.Option(help="Write a sheet of faces and eyes there (.png).")] = None,
) -> None:
    """Print what is in a set's shards; with --pictures also some of it as a picture."""
    from jobs.shards import show_shards

    show_shards(name, pictures)


@app.command()
def recipe(
    name: Annotated[str | None, typer.Argument(help="A recipe; all are listed where none is named.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Change params.yaml, whose comments stay.")] = False,
) -> None:
    """List recipes of pretraining, print one, or lay it over params.yaml."""
    from jobs.recipe import recipe_command

    recipe_command(resolve("params.yaml"), name, write=write)


@app.command()
def results(
    show_next: Annotated[bool, typer.Option("--next", help="Also say what can be done now.")] = False,
) -> None:
    """Print the figures of the last evaluation."""
    from jobs.tables import print_results

    print_results(resolve(METRICS))
    if show_next:
        print_next()


def print_next() -> None:
    """What to type now, as it works in a shell where nothing was activated."""
    program = Path(sys.argv[0])
    command = str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)
    tested = "data/raw/synthetic/photos/p040"
    photos = tested if resolve(tested).is_dir() else "PHOTO_OR_FOLDER"
    choices = {
        f"{command} predict {photos} --out out": "photos, your own too, with arrows of gaze",
        f"{command} ui": "runs and models in the browser",
        f"{command} compare": "versions and configurations side by side",
    }
    if resolve(METRICS).with_name("report.html").is_file():
        print("\nThe report, for any browser: reports/gaze/report.html")
    print("\nNext:")
    for line, meaning in choices.items():
        print(f"  {line:<62} # {meaning}")


@app.command()
def compare() -> None:
    """Print registered versions and the last runs of each configuration."""
    from jobs.tables import print_comparison

    print_comparison()


@app.command()
def promote(
    first: Annotated[
        bool, typer.Option("--first", help="Only where there is no champion yet; else do nothing.")
    ] = False,
    force_first: Annotated[
        bool, typer.Option("--force-first", help="Compare with no champion: the challenger must beat the mean gaze.")
    ] = False,
) -> None:
    """Make the challenger champion, if it holds its own on the gate people. Exit status 1: it does not."""
    from jobs import promote as gate
    from jobs.tables import print_gate
    from slyk.config import load_params

    champion = gate.current_champion() if first else None
    if champion is not None:
        print(f"version {champion} is champion already: nothing to do (slyk promote compares the challenger with it)")
        return
    params = load_params(resolve("params.yaml"))
    folders = {"models": resolve("models/finetune/gaze"), "shards": resolve("data/shards")}
    version = gate.promote(params, **folders, force_first=force_first, show=print_gate)
    print(f"version {version} is champion now")


@app.command()
def rollback() -> None:
    """Give the alias champion back to the version that had it before."""
    from jobs.promote import rollback as roll_back
    from slyk.config import load_params

    old, new = roll_back(load_params(resolve("params.yaml")))
    print(f"version {new} is champion again, in place of {old}")


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(help="Photos, or folders that are searched through.")],
    out: Annotated[Path, typer.Option(help="Folder for tables and overlays.")] = Path("out"),
    model: Annotated[
        str | None, typer.Option(help="A folder, or models:/slyk-gaze@ALIAS; the champion where none is named.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="Calibration file (.xml, .yml, .json, .mat), or fx,fy,cx,cy in px; else guessed.")
    ] = None,
) -> None:
    """Find faces in photos, write where they look, and draw it."""
    from jobs.models import champion_or_challenger, resolve_model
    from jobs.predict import predict_command

    if model is None:
        folder, alias = champion_or_challenger()
        why = "" if alias == "champion" else ", for want of a champion (slyk promote)"
        print(f"model: slyk-gaze@{alias}{why}", flush=True)
    else:
        folder = resolve_model(model)
    predict_command(paths, out, folder, camera)


@app.command("submit-xgaze")
def submit_xgaze(
    name: Annotated[str, typer.Argument(help="A set of params.yaml that the reader xgaze_224 reads, normalized.")],
    out: Annotated[Path, typer.Option(help="Folder for within_eva_results.txt.")] = Path("out"),
    model: Annotated[str, typer.Option(help="A folder, or models:/slyk-gaze@ALIAS.")] = "models/finetune/gaze",
    reference: Annotated[
        Path | None, typer.Option(help="Folder with index.txt and within_test_labels.txt: also print the error.")
    ] = None,
) -> None:
    """Answer ETH-XGaze's test people in the form that its evaluation reads."""
    from jobs.leaderboard import submit
    from jobs.models import resolve_model

    submit(name, resolve_model(model), resolve(out), None if reference is None else resolve(reference))


@app.command()
def ui(port: Annotated[int, typer.Option(help="Of 127.0.0.1.")] = 5000) -> None:
    """Open MLflow's pages on runs and models; Ctrl-C ends it."""
    from jobs.tracking import shown, store_uri

    uri = store_uri()
    if uri.startswith("http"):
        print(f"runs and models are shown by the server: {shown(uri)}")
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SlykError(f"port {port} of 127.0.0.1: {error.strerror}; choose another with --port") from None
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault(
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"
    )  # eight processes for what nothing here asks for
    print(f"http://127.0.0.1:{port}/#/experiments (runs), /#/models (versions); up in 15 to 40 s", flush=True)
    # one worker: several are ended and begun anew, again and again, where a busy machine imports slowly
    arguments = ["--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *arguments])


def main() -> None:
    """Runs the command. What a user can mend is one message on stderr and exit status 2; a promotion refused, 1."""
    try:
        app()
    except SlykError as error:
        message, status = str(error), getattr(error, "exit_status", 2)
    except OSError as error:
        outside = outside_error(error)
        if outside is None:
            raise
        message, status = told(outside), 2
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text(f"error: {message}", style="bold red"))
    raise SystemExit(status)


if __name__ == "__main__":
    main()
