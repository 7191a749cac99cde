"""`fer-tf live`, `predict`, `score` and `replay`."""

from pathlib import Path
from typing import Any

import click

from fer_tf.cli.options import recipe
from fer_tf.config import Config
from fer_tf.errors import UserError

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)

bundle_option = click.option(
    "--bundle", type=FOLDER, help="An exported bundle.  [default: the shipped one]"
)
detector_option = click.option(
    "--detector-model",
    type=FILE,
    help="YuNet's ONNX file.  [default: $FER_TF_DETECTOR, the cache, its publisher]",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads of each of the two models.",
)


@click.command()
@click.option("--source", default="0", help="A camera's number, file, folder or URL.")
@bundle_option
@detector_option
@threads_option
@click.option("--headless", is_flag=True, help="Open no window.")
@click.option("--out", type=FOLDER, help="Write the session into this folder.")
@click.option("--record", is_flag=True, help="Keep a clean film of a camera as well.")
@recipe()
def live(
    config: Config,
    source: str,
    bundle: Path | None,
    detector_model: Path | None,
    threads: int,
    headless: bool,
    out: Path | None,
    record: bool,
) -> None:
    """Read faces from a camera or a file, live.

    In the window, q or Esc quits and space pauses. With --out, the folder receives
    frames.csv (a row per face and frame), session.json and, of a file, annotated.mp4.

    \b
    fer-tf live --source 0 --bundle runs/quickstart/bundle
    fer-tf live --source talk.mp4 --headless --out sessions/talk
    """
    from fer_tf.live import camera
    from fer_tf.live import play
    from fer_tf.live import session

    if record and not out:
        raise UserError("--record needs --out DIR, the folder that the film goes to.")
    if out:
        session.check_free(out)
    recogniser = _recogniser(config, bundle, detector_model, threads)
    counts = play.play(
        camera.open_source(source),
        recogniser,
        config.live,
        name=source,
        folder=out,
        headless=headless,
        record=record,
    )
    _say(counts, out)


def _recogniser(
    config: Config, bundle: Path | None, detector_model: Path | None, threads: int
) -> Any:
    from fer_tf.live import recogniser

    loaded = recogniser.load(
        bundle,
        detector_model=detector_model,
        detect_side_px=config.live.detect_side_px,
        detector_score=config.live.detector_score,
        threads=threads,
    )
    _warn_of_smoke(loaded.bundle)
    return loaded


def _warn_of_smoke(bundle: Any) -> None:
    if bundle.smoke:
        click.echo(
            f"warning: {bundle.folder} was made by a smoke run; its answers mean "
            "nothing.",
            err=True,
        )


def _say(counts: dict[str, Any], out: Path | None) -> None:
    """Tell what a session saw."""
    faces = counts["faces"]
    shares = ", ".join(
        f"{label} {count / faces:.0%}" for label, count in counts["labels"].items()
    )
    latency = ", ".join(
        f"{stage} {time_ms:.1f} ms" for stage, time_ms in counts["median_ms"].items()
    )
    click.echo(
        f"{counts['frames']} frames, {counts['frames_without_face']} without a face, "
        f"{counts['frames_dropped']} dropped; faces followed: {counts['identities']}"
    )
    click.echo(f"labels: {shares or 'none'}")
    click.echo(f"median: {latency or 'nothing measured'}")
    if out:
        written = sorted(path.name for path in out.iterdir())
        click.echo(f"{out}: {', '.join(written)}")


@click.command()
@bundle_option
@detector_option
@threads_option
@click.option("--cropped", is_flag=True, help="Each picture is a face already.")
@click.option("--out", type=FILE, required=True, help="The CSV, a row per face.")
@recipe("PATH")
def predict(
    config: Config,
    names: tuple[str, ...],
    bundle: Path | None,
    detector_model: Path | None,
    threads: int,
    cropped: bool,
    out: Path,
) -> None:
    """Read the faces in pictures, and in folders of pictures.

    \b
    fer-tf predict holiday.jpg album/ --bundle runs/quickstart/bundle --out faces.csv
    """
    from fer_tf.live import predict as pictures
    from fer_tf.live.recogniser import find_bundle
    from fer_tf.runtime.classifier import Classifier

    if not names:
        raise UserError("give one or more pictures, or folders of pictures.")
    if cropped:
        classifier = Classifier(find_bundle(bundle), threads)
        _warn_of_smoke(classifier.bundle)
        recogniser = pictures.of_cropped(classifier)
    else:
        recogniser = _recogniser(config, bundle, detector_model, threads)
    tally = pictures.predict([Path(name) for name in names], recogniser, out)
    click.echo(
        f"{out}: {tally.faces} faces in {tally.pictures} pictures; "
        f"{tally.without_face} without a face, {tally.unreadable} that cannot be read"
    )


@click.command()
@click.argument("session", type=FOLDER)
@click.option("--labels", type=FILE, help="True labels: a CSV start_ms,end_ms,label.")
@click.option("--out", type=FILE, help="Write the figures as JSON.")
@recipe()
def score(
    config: Config, session: Path, labels: Path | None, out: Path | None
) -> None:
    """Score a labelled session: accuracy, macro-F1, flips per minute.

    \b
    fer-tf score sessions/talk --labels talk.csv --out talk.json
    """
    from fer_tf import files
    from fer_tf.live import score as scoring

    figures = scoring.score(session, labels)
    if out:
        files.write_json(out, figures)
    _print_score(figures)


def _print_score(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "raw", "smoothed")
    for name in ("accuracy", "macro_f1", "lowest_three_f1", "flips_per_minute"):
        values = [f"{figures[kind][name]:.3f}" for kind in ("raw", "smoothed")]
        table.add_row(name.replace("_", " "), *values)
    Console().print(table)
    unsure = figures["unsure"]
    sure = unsure["accuracy_if_left_out"]
    click.echo(
        f"{figures['faces_scored']} faces scored; coverage {figures['coverage']:.1%}"
    )
    click.echo(
        f"unsure {unsure['share']:.1%}: accuracy {unsure['accuracy_if_wrong']:.3f} if "
        f"that is wrong, {'-' if sure is None else f'{sure:.3f}'} if it is left out"
    )


@click.command()
@click.argument("session", type=FOLDER)
@bundle_option
def replay(session: Path, bundle: Path | None) -> None:
    """Run another bundle on a recorded session (not built yet).

    \b
    fer-tf replay sessions/talk --bundle runs/other/bundle
    """
    raise UserError(
        "replay is not built yet. Run `fer-tf live` with the other bundle on the "
        "session's film instead."
    )
