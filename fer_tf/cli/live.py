"""`fer-tf live`, and what every command that reads faces takes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from fer_tf import quiet
from fer_tf import write_lock
from fer_tf.cli import terminal
from fer_tf.cli.options import recipe
from fer_tf.cli.paths import FILE
from fer_tf.cli.paths import FOLDER
from fer_tf.config import Config
from fer_tf.config import LiveConfig
from fer_tf.errors import FerTfError
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError


# More than any machine has, and no more than LiteRT takes.
MAX_THREADS = 1024

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
    type=click.IntRange(1, MAX_THREADS),
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
@click.option("--annotated", is_flag=True, help="And one with what was seen drawn.")
@click.option("--list-cameras", is_flag=True, help="Show the cameras that open.")
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
    annotated: bool,
    list_cameras: bool,
) -> None:
    """Read faces from a camera or a file, live.

    In the window, h shows what the keys do, and q or Esc quits. With --out, the folder
    receives frames.csv (a row per face and frame), session.json and, of a file,
    annotated.mp4. Pictures and recordings that you ask for go there too, or else to
    fer-tf-<date>, which is made for them.

    \b
    fer-tf live --source 0 --bundle runs/quickstart/bundle
    fer-tf live --source talk.mp4 --headless --out sessions/talk
    """
    if list_cameras:
        _list_cameras()
        return
    if (record or annotated) and not out:
        raise UserError(
            "--record and --annotated need --out DIR, the folder that the films go to."
        )
    load = partial(recogniser_of, config, bundle, detector_model, threads)
    with write_lock.folder(out) if out else nullcontext():
        counts = _play(
            source,
            load,
            config.live,
            folder=out,
            headless=headless,
            record=record,
            annotate=annotated,
        )
    _say(counts, out)


def _play(
    source: str, load: Callable[[], Any], live: LiveConfig, **options: Any
) -> dict[str, Any]:
    """Open a source, and load the models meanwhile; then play it."""
    from fer_tf.live import camera
    from fer_tf.live import play
    from fer_tf.live import session

    if options["folder"]:
        session.check_free(options["folder"])
    # Opening a camera takes as long as loading the models.
    with ThreadPoolExecutor(1) as opener:
        opening = opener.submit(camera.open_source, source)
        try:
            recogniser = load()
        except FerTfError as error:
            fault = opening.exception()
            if fault is None:
                opening.result().close()
            # What the user can correct is told first.
            elif isinstance(fault, UserError) and not isinstance(error, UserError):
                raise fault from None
            raise
    return play.play(
        opening.result(), recogniser, live, name=camera.name_of(source), **options
    )


def _list_cameras() -> None:
    from fer_tf.live import camera

    found = list(camera.find_cameras())
    if not found:
        raise OutsideError(
            "no camera opens. Is one plugged in, free, and allowed to be used?"
        )
    for one in found:
        terminal.say(
            f"--source {one.number}   {one.width} x {one.height} pixels, "
            f"{one.rate:g} frames a second"
        )


def recogniser_of(
    config: Config, bundle: Path | None, detector_model: Path | None, threads: int
) -> Any:
    """Return the recogniser that a command was asked for."""
    from fer_tf.live import recogniser

    # LiteRT tells of its XNNPACK, below Python and whatever it is asked for.
    with quiet.unless_it_fails():
        loaded = recogniser.load(
            bundle,
            detector_model=detector_model,
            detect_side_px=config.live.detect_side_px,
            detector_score=config.live.detector_score,
            threads=threads,
        )
    warn_of(loaded.bundle)
    return loaded


def warn_of(bundle: Any) -> None:
    """Say where a bundle's answers mean nothing, or are all "unsure"."""
    if bundle.abstain.threshold >= 1:
        terminal.say(
            f'warning: {bundle.folder} is "unsure" of every face: at no confidence was '
            f"it right {bundle.abstain.wanted_accuracy:.0%} of the time.",
            err=True,
        )
    if bundle.smoke:
        terminal.say(
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
    terminal.say(
        f"{counts['frames']} frames, {counts['frames_without_face']} without a face, "
        f"{counts['frames_dropped']} dropped; faces followed: {counts['identities']}"
    )
    terminal.say(f"labels: {shares or 'none'}")
    terminal.say(f"median: {latency or 'nothing measured'}")
    if out:
        # The folder is made with the first frame.
        written = sorted(path.name for path in out.iterdir()) if out.is_dir() else ()
        listed = ", ".join(written) or "nothing, since nothing was seen"
        terminal.say(f"{out}: {listed}")
