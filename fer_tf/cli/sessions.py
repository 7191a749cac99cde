"""`fer-tf predict`, `score` and `replay`."""

from pathlib import Path
from typing import Any

import click

from fer_tf.cli.live import FILE
from fer_tf.cli.live import FOLDER
from fer_tf.cli.live import bundle_option
from fer_tf.cli.live import detector_option
from fer_tf.cli.live import recogniser_of
from fer_tf.cli.live import threads_option
from fer_tf.cli.live import warn_of_smoke
from fer_tf.cli.options import recipe
from fer_tf.config import Config
from fer_tf.errors import UserError


@click.command()
@bundle_option
@detector_option
@threads_option
@click.option("--cropped", is_flag=True, help="Each picture is a face already.")
@click.option("--out", type=FILE, required=True, help="A .csv or .json of the faces.")
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

    --out receives a row per face: box, probabilities, label, whether it is unsure, and
    its prediction set. A .json also names the pictures without a face and those that
    cannot be read.

    \b
    fer-tf predict holiday.jpg album/ --bundle runs/quickstart/bundle --out faces.csv
    """
    from fer_tf.live import predict as pictures
    from fer_tf.live.recogniser import find_bundle
    from fer_tf.runtime.classifier import Classifier

    if not names:
        raise UserError("give one or more pictures, or folders of pictures.")
    pictures.check_suffix(out)
    if cropped:
        classifier = Classifier(find_bundle(bundle), threads)
        warn_of_smoke(classifier.bundle)
        recogniser = pictures.of_cropped(classifier)
    else:
        recogniser = recogniser_of(config, bundle, detector_model, threads)
    found = pictures.predict([Path(name) for name in names], recogniser, out)
    click.echo(
        f"{out}: {len(found.faces)} faces in {found.pictures} pictures; "
        f"{len(found.without_face)} without a face, "
        f"{len(found.unreadable)} that cannot be read"
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
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@bundle_option
@threads_option
@click.option("--film", type=click.Path(path_type=Path), help="Where its film is now.")
@click.option("--out", type=FOLDER, required=True, help="Write the session here.")
def replay(
    session: Path,
    overrides: tuple[str, ...],
    bundle: Path | None,
    threads: int,
    film: Path | None,
    out: Path,
) -> None:
    """Answer a session's frames anew: with another bundle, or another smoothing.

    Faces and identities are the session's own, and so are its settings, but for
    live.smoothing_ms, live.hysteresis and live.hold_ms. The film is the one that was
    read, or the one that --record kept of a camera.

    \b
    fer-tf replay sessions/talk --bundle runs/other/bundle --out sessions/other
    fer-tf replay sessions/talk --out sessions/bare live.smoothing_ms=0
    """
    from fer_tf.live import replay as replaying
    from fer_tf.live.recogniser import find_bundle
    from fer_tf.runtime.classifier import Classifier

    classifier = Classifier(find_bundle(bundle), threads)
    warn_of_smoke(classifier.bundle)
    counts = replaying.replay(session, classifier, out, overrides=overrides, film=film)
    click.echo(
        f"{out}: {counts['frames']} frames, {counts['faces']} faces answered by "
        f"{classifier.bundle.name}"
    )
