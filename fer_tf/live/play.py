"""Plays a source from its first frame to its last, and keeps what was seen."""

import contextlib
import time
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

from fer_tf import config
from fer_tf.errors import OutsideError
from fer_tf.live import interrupts
from fer_tf.live import loop
from fer_tf.live import session
from fer_tf.live import video_writer
from fer_tf.live.controls import Controls
from fer_tf.live.detection import FrameDetector
from fer_tf.live.frames import Source
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.recording import Annotator
from fer_tf.live.recording import Recorder
from fer_tf.live.window import Window


def play(
    source: Source,
    recogniser: Recogniser,
    live: config.LiveConfig,
    *,
    name: str,
    folder: Path | None = None,
    headless: bool = True,
    record: bool = False,
    annotate: bool = False,
    detect: FrameDetector | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Play `source` until it ends, the window is closed, or Ctrl-C is pressed.

    Args:
        name: what `session.json` calls the source.
        folder: where the session is written; None keeps nothing, and what is saved or
            recorded by a key goes to a folder of the day and time.
        headless: open no window; a video is then read as fast as can be.
        record: record losslessly what is no file here: a camera, or a video by URL.
        annotate: write a video with the results drawn on it; for a file one is always
            written.
        detect: Finds the faces of a frame; None is the recogniser's own detector.

    Returns:
        The counts and median latencies of `session.Counts`.

    Raises:
        OutsideError: the source failed; what had been seen by then is kept.
    """
    counts = session.Counts()
    reader = loop.Reader(recogniser, live, detect=detect, clock=clock)
    film = None if source.is_live or not Path(name).exists() else Path(name)
    keep = folder or Path(time.strftime("fer-tf-%Y-%m-%d-%H%M%S"))
    recorder = Recorder(keep / session.RECORDED, source.rate, on=record and not film)
    log = None
    with contextlib.ExitStack() as end:
        with contextlib.ExitStack() as stack:
            stack.callback(source.close)
            stack.enter_context(contextlib.closing(recorder))
            logs: list[loop.Log] = [counts]
            if folder:
                log = _session_log(
                    folder, name, source, film, recogniser, live, recorder
                )
                logs.append(stack.enter_context(contextlib.closing(log)))
            if film or not folder:
                logs.append(recorder)
            screens: list[loop.Screen] = []
            if folder and (annotate or not source.is_live):
                path = folder / session.ANNOTATED
                writer = stack.enter_context(video_writer.writing(path, source.rate))
                screens.append(Annotator(writer, path))
            if not headless:
                controls = Controls(reader, recorder, keep, clock)
                window = Window(controls, clock)
                screens.append(stack.enter_context(contextlib.closing(window)))
            fault = _run(source, reader, logs, screens)
            # A signal must not stop what closes and finishes the files.
            end.enter_context(interrupts.deferred())
        if log:
            log.finish(counts, film or recorder.film)
    if fault:
        raise fault
    return counts.to_dict()


def _session_log(
    folder: Path,
    name: str,
    source: Source,
    film: Path | None,
    recogniser: Recogniser,
    live: config.LiveConfig,
    recorder: Recorder,
) -> session.SessionLog:
    description = session.describe(
        source=name,
        bundle=recogniser.bundle,
        settings=config.to_dict(live),
        film=film,
        about=_about(source),
    )
    # The log asks the recorder itself, unless it is told another number.
    number = (lambda view: view.frame.index) if film else recorder
    return session.SessionLog(folder, description, number)


def _about(source: Source) -> dict[str, Any]:
    """Return what is known of a source before its first frame, ready for JSON."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"started_at": now, "fps": source.rate}


def _run(
    source: Source,
    reader: loop.Reader,
    logs: list[loop.Log],
    screens: list[loop.Screen],
) -> OutsideError | None:
    """Run to the end, or to Ctrl-C, or to a fault of the source, which is returned."""
    try:
        loop.run(source, reader, logs, screens)
    except KeyboardInterrupt:
        pass
    except OutsideError as error:
        return error
    return None
