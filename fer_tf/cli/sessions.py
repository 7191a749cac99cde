"""`fer-tf predict`, `score` and `replay`."""

import shlex
from pathlib import Path
from typing import Any

import click

from fer_tf import quiet
from fer_tf import write_lock
from fer_tf.cli import terminal
from fer_tf.cli.live import bundle_option
from fer_tf.cli.live import detector_option
from fer_tf.cli.live import recogniser_of
from fer_tf.cli.live import threads_option
from fer_tf.cli.live import warn_of
from fer_tf.cli.options import recipe
from fer_tf.cli.paths import FILE
from fer_tf.cli.paths import FOLDER
from fer_tf.cli.paths import OUT_FILE
from fer_tf.cli.paths import PATH
from fer_tf.config import Config
from fer_tf.errors import CheckFailed
from fer_tf.errors import UserError


VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv"
    .split()
)


@click.command()
@bundle_option
@detector_option
@threads_option
@click.option("--cropped", is_flag=True, help="Each picture is a face already.")
@click.option(
    "--out", type=OUT_FILE, required=True, help="A .csv or .json of the faces."
)
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

    --out receives a row per face: box, probabilities, label, whether it is unsure and
    why, and its prediction set. A .json also names the pictures without a face, those
    that cannot be read, and the files that were skipped.

    \b
    fer-tf predict holiday.jpg album/ --bundle runs/quickstart/bundle --out faces.csv
    """
    from fer_tf.live import predict as pictures

    if not names:
        raise UserError("expected one or more images, or folders of images.")
    for name in names:
        if Path(name).suffix.lower() in VIDEO_SUFFIXES and Path(name).is_file():
            raise UserError(
                f"{name} is a video, expected images. Videos are read by: fer-tf live "
                f"--source {shlex.quote(name)} --headless --out DIR"
            )
    pictures.check_suffix(out)
    if cropped:
        recogniser = pictures.of_cropped(_classifier(bundle, threads))
    else:
        recogniser = recogniser_of(config, bundle, detector_model, threads)
    with write_lock.file(out):
        found = pictures.predict([Path(name) for name in names], recogniser, out)
    terminal.say(
        f"{out}: {len(found.faces)} faces in {found.pictures} pictures; "
        f"{len(found.without_face)} without a face, "
        f"{len(found.unreadable)} that cannot be read; {len(found.skipped)} other "
        "files or folders skipped"
    )


def _classifier(bundle: Path | None, threads: int) -> Any:
    from fer_tf.live.recogniser import find_bundle
    from fer_tf.runtime.classifier import Classifier

    with quiet.unless_it_fails():
        classifier = Classifier(find_bundle(bundle), threads)
    warn_of(classifier.bundle)
    return classifier


@click.command()
@click.argument("session", type=FOLDER)
@click.option("--labels", type=FILE, help="True labels: a CSV start_ms,end_ms,label.")
@click.option("--against", type=FOLDER, help="Judge it by another, of the same faces.")
@click.option(
    "--allow-inconclusive", is_flag=True, help="Let a session pass that may be worse."
)
@click.option("--out", type=OUT_FILE, help="Write the figures as JSON.")
def score(
    session: Path,
    labels: Path | None,
    against: Path | None,
    allow_inconclusive: bool,
    out: Path | None,
) -> None:
    """Score a labelled session: accuracy, macro-F1, label changes per minute.

    A label counts once it has held for 600 ms, and 250 ms around its changes are left
    out. With --against a replay, or what it is a replay of, exit 1 unless what is
    shown has a higher macro-F1 and changes at most a tenth more often.

    \b
    fer-tf score sessions/talk --labels talk.csv --out talk.json
    fer-tf score sessions/other --against sessions/talk --labels talk.csv
    """
    from fer_tf import files
    from fer_tf.live import score as scoring

    figures = scoring.score(session, labels)
    if against:
        figures["against"] = scoring.judge(session, against, labels)
    if out:
        files.write_json(out, figures)
    _print_score(figures)
    if against:
        _say_verdict(figures["against"])
        verdict = figures["against"]["verdict"]
        if verdict == "fail" or verdict == "inconclusive" and not allow_inconclusive:
            raise CheckFailed(f"the verdict on {session}: {verdict}.")


def _print_score(figures: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("", "raw", "smoothed")
    for name in ("accuracy", "macro_f1", "lowest_three_f1"):
        table.add_row(
            name.replace("_", " "),
            *(_with_interval(figures[kind], name) for kind in ("raw", "smoothed")),
        )
    flips = [figures[kind]["flips_per_minute"] for kind in ("raw", "smoothed")]
    table.add_row("flips per minute", *(f"{value:.1f}" for value in flips))
    terminal.show(table)
    unsure = figures["unsure"]
    sure = unsure["accuracy_if_left_out"]
    coverage = figures["coverage"]
    terminal.say(
        f"{figures['faces_scored']} faces of {figures['labels_scored']} labels scored; "
        f"coverage {'-' if coverage is None else f'{coverage:.1%}'}"
    )
    terminal.say(
        f"unsure {unsure['share']:.1%}: accuracy {unsure['accuracy_if_wrong']:.3f} if "
        f"that is wrong, {'-' if sure is None else f'{sure:.3f}'} if it is left out; "
        f"{unsure['flips_per_minute']:.1f} flips per minute if it is a label"
    )


def _with_interval(figures: dict[str, Any], name: str) -> str:
    low, high = figures["intervals"][name]
    return f"{figures[name]:.3f} ({low:.3f} to {high:.3f})"


def _say_verdict(judged: dict[str, Any]) -> None:
    raised, low, high = judged["macro_f1_raised_by"]
    flips = judged["flips"]
    times = "-" if flips is None else f"{flips:.2f}"
    terminal.say(
        f"{judged['verdict']}: macro-F1 raised by {raised:+.3f} ({low:+.3f} to "
        f"{high:+.3f}); label changes {times} times as often, at most "
        f"{judged['most_flips']:g}"
    )


@click.command()
@click.argument("session", type=FOLDER)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@bundle_option
@threads_option
@click.option("--film", type=PATH, help="Where its film is now.")
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
    live.smoothing_ms, live.hysteresis and live.hold_ms. Without --bundle the shipped
    one answers, if the session was made with it. The film is the one that was
    read, or the one that --record kept of a camera.

    \b
    fer-tf replay sessions/talk --bundle runs/other/bundle --out sessions/other
    fer-tf replay sessions/talk --out sessions/bare live.smoothing_ms=0
    """
    from fer_tf.live import replay as replaying

    classifier = _classifier(bundle, threads)
    if bundle is None:
        replaying.check_bundle(session, classifier.bundle)
    with write_lock.folder(out):
        counts = replaying.replay(
            session, classifier, out, overrides=overrides, film=film
        )
    terminal.say(
        f"{out}: {counts['frames']} frames, {counts['faces']} faces answered by "
        f"{classifier.bundle.name}"
    )
