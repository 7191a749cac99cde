"""Answers a session's frames anew, with another bundle or another smoothing.

Boxes, identities and true labels are the session's own, so that two students are held
against each other on the same faces; nothing is detected.
"""

import json
import logging
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf import config
from fer_tf import files
from fer_tf import image_files
from fer_tf.config import LiveConfig
from fer_tf.config import checks
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import camera
from fer_tf.live import labelled
from fer_tf.live import session
from fer_tf.live.detection import Detection
from fer_tf.live.detection import no_detector
from fer_tf.live.frames import Frame
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.smoothing import Smoother
from fer_tf.live.view import FollowedFace
from fer_tf.live.view import View
from fer_tf.runtime.bundle import Bundle
from fer_tf.runtime.classifier import Classifier

# What may be overridden: all else was decided when the session was made.
SMOOTHING = ("live.smoothing_ms", "live.hysteresis", "live.hold_ms")

# No frame that a camera or a decoder returns is larger.
MAX_COORDINATE_PX = 20_000

log = logging.getLogger(__name__)


class FilmEnded(OutsideError):
    """A film has fewer frames than its session saw."""


@dataclass(frozen=True, eq=False)
class SeenFace:
    """A face of a recorded frame: all that no bundle had a part in."""

    face_id: int
    detection: Detection
    true_label: str


@dataclass(frozen=True, eq=False)
class Moment:
    """A recorded frame: its number in the source and in the session's film, and faces.

    `film_frame` is None where the film does not show it.
    """

    index: int
    time_ms: float
    film_frame: int | None
    faces: tuple[SeenFace, ...]


def replay(
    folder: Path,
    classifier: Classifier,
    out: Path,
    *,
    overrides: Sequence[str] = (),
    film: Path | None = None,
) -> dict[str, Any]:
    """Write into `out` the session that another bundle, or smoothing, would have left.

    Frames that the session's film does not show are left out. The same session, bundle
    and settings leave the same `frames.csv`, byte for byte; no stage is timed.

    Args:
        folder: the session's.
        overrides: of the session's own settings, `SMOOTHING` alone: `key=value` each.
        film: where the session's film lies now; None is where it was.

    Returns:
        The counts of `session.Counts`.

    Raises:
        UserError: it is no session, its film is not there, or another, or `out` holds
            a session.
        OutsideError: the film cannot be read, or ends before a finished session does.
    """
    session.check_free(out)
    summary = _summary(folder)
    moments = read_moments(folder / session.FRAMES)
    live = settings(summary, overrides)
    film = find_film(folder, summary, film)
    _warn_of_keys(folder, summary)
    if unfilmed := sum(moment.film_frame is None for moment in moments):
        log.warning(
            "%d of %d frames are not in the film and are left out.",
            unfilmed,
            len(moments),
        )
    counts = session.Counts()
    written = session.SessionLog(
        out, _description(folder, summary, classifier, live, film), _FilmFrames(moments)
    )
    try:
        for view in views(moments, film, Recogniser(no_detector, classifier), live):
            counts(view)
            written(view)
    except FilmEnded as error:
        if summary.get("finished"):
            raise
        log.warning("%s It was not finished.", error)
    finally:
        written.close()
    written.finish(counts, film)
    return counts.to_dict()


def check_bundle(folder: Path, bundle: Bundle) -> None:
    """Refuse a bundle that is not the one with which the session in `folder` was made.

    Raises:
        UserError: it is another, or there is no session.
    """
    made_with = _summary(folder)["bundle"]
    if made_with["digest"] != bundle.digest:
        raise UserError(
            f"{folder} was made with the bundle {made_with['name']}, of digest "
            f"{made_with['digest'][:12]}, and {bundle.folder} is {bundle.name}, of "
            f"{bundle.digest[:12]}. Say which one is to answer: --bundle FOLDER."
        )


def _summary(folder: Path) -> dict[str, Any]:
    """Return what a session's `session.json` says."""
    path = folder / session.SESSION
    if not path.is_file():
        raise UserError(
            f"{folder} is not a session: it holds no {session.SESSION}. Make one with "
            "`fer-tf live --out DIR`."
        )
    do = "Make one with `fer-tf live --out DIR`."
    with files.reading(path, "a session's description", do):
        summary = files.read_json(path)
        _check_summary(summary)
    return summary


def _check_summary(summary: Any) -> None:
    """Refuse a `session.json` that was edited so that a replay cannot use it.

    Raises:
        UserError: A value that a replay reads has another type.
        KeyError: A key is missing.
    """
    checks.of_type("the content", summary, dict)
    checks.of_type("source", summary["source"], str)
    checks.of_type("bundle", summary["bundle"], dict)
    for name in ("settings", "seen_with"):
        checks.of_type(name, summary.get(name, {}), dict)
    for name in ("name", "digest"):
        checks.of_type(f"bundle.{name}", summary["bundle"][name], str)
    for name, values in summary.get("seen_with", {}).items():
        checks.of_type(f"seen_with.{name}", values, list)
    film = summary.get("film")
    if film is not None:
        checks.of_type("film", film, dict)
        checks.of_type("film.path", film["path"], str)
        # Of a session that was killed it is null.
        checks.of_type("film.sha256", film["sha256"] or "", str)


def views(
    moments: Sequence[Moment], film: Path, recogniser: Recogniser, live: LiveConfig
) -> Iterator[View]:
    """Yield the view of each moment that the film shows, in the film's order.

    Raises:
        FilmEnded: the film ends before.
    """
    smoother = Smoother.of(live, recogniser.bundle.abstain.threshold)
    for moment, frame in _shown(moments, film):
        found = [seen.detection for seen in moment.faces]
        faces = recogniser.recognise(frame.pixels_bgr, found)
        smoothed = [
            smoother.update(
                seen.face_id, face.probabilities, frame.time_ms, face.unsure_reason
            )
            for seen, face in zip(moment.faces, faces, strict=True)
        ]
        followed = [
            FollowedFace(seen.face_id, face, shown, seen.true_label)
            for seen, face, shown in zip(moment.faces, faces, smoothed, strict=True)
        ]
        yield View(
            frame=frame,
            faces=tuple(followed),
            stages_ms={},
            rate=0.0,
            dropped=0,
            smoke=recogniser.bundle.smoke,
            clahe=recogniser.clahe,
            smoothing_ms=live.smoothing_ms,
        )


def read_moments(path: Path) -> list[Moment]:
    """Read what was seen in each frame from `frames.csv`.

    Raises:
        UserError: it is not there, or not a session's.
    """
    return labelled.by_frame(path, _moment)


def settings(summary: Mapping[str, Any], overrides: Sequence[str]) -> LiveConfig:
    """Return a session's own settings of the live view, `overrides` applied.

    Raises:
        UserError: an override is of something that a replay does not decide.
    """
    for override in overrides:
        if override.partition("=")[0] not in SMOOTHING:
            raise UserError(
                f"a replay has the session's own faces and takes {', '.join(SMOOTHING)}"
                f" alone, received {override!r}. For anything else run `fer-tf live` "
                "on the session's film."
            )
    recorded = [
        f"live.{key}={json.dumps(value)}"
        for key, value in summary.get("settings", {}).items()
    ]
    return config.load(overrides=[*recorded, *overrides]).live


def find_film(folder: Path, summary: Mapping[str, Any], given: Path | None) -> Path:
    """Return the film of a session, checked by its SHA-256.

    Raises:
        UserError: none was kept, it is not there, or it is another.
    """
    kept = summary.get("film") or _unfinished_recording(folder)
    if kept is None:
        raise UserError(
            f"{folder} has no film to replay: of a camera one is kept with `fer-tf "
            "live --record`. Make the session again with it."
        )
    film = given or folder / kept["path"]
    if not film.exists():
        raise UserError(
            f"the film of {folder} is not at {film}. Say where it lies: --film FILE."
        )
    if not (film.is_file() or film.is_dir()):
        raise UserError(
            f"{film} is {image_files.kind_of(film)}: expected the film of {folder}, a "
            "video file or a folder of images."
        )
    if kept["sha256"] is None:
        log.warning("%s was not finished, so its film is not checked.", folder)
    elif (received := session.digest_of_film(film)) != kept["sha256"]:
        raise UserError(
            f"{film} is not the film of {folder}, or has changed: expected SHA-256 "
            f"{kept['sha256']}, received {received}. Give the film with --film FILE."
        )
    return film


def _warn_of_keys(folder: Path, summary: Mapping[str, Any]) -> None:
    """Say where the session's own answers are not what the same bundle answers now."""
    seen_with = summary.get("seen_with", {})
    if len(seen_with.get("clahe", [])) > 1:
        log.warning(
            "in %s CLAHE was switched on the way; it is now as the bundle says.", folder
        )
    if len(seen_with.get("smoothing_ms", [])) > 1:
        log.warning("in %s the smoothing was changed on the way; now it stays.", folder)


def _unfinished_recording(folder: Path) -> dict[str, Any] | None:
    recorded = (folder / session.RECORDED).exists()
    return {"path": session.RECORDED, "sha256": None} if recorded else None


def _description(
    folder: Path,
    summary: Mapping[str, Any],
    classifier: Classifier,
    live: LiveConfig,
    film: Path,
) -> dict[str, Any]:
    description = session.describe(
        source=summary["source"],
        bundle=classifier.bundle,
        settings=config.to_dict(live),
        film=film,
        about={
            key: summary[key] for key in session.ABOUT_SOURCE if key in summary
        },
    )
    of = {
        "session": str(folder.absolute()),
        "frames_sha256": files.sha256_of(folder / session.FRAMES),
        "bundle": summary["bundle"]["digest"],
    }
    return {**description, "replay_of": of}


class _FilmFrames:
    """Says which frame of the film shows a view, as the session had it."""

    def __init__(self, moments: Sequence[Moment]) -> None:
        self._numbers = {moment.index: moment.film_frame for moment in moments}

    def __call__(self, view: View) -> int | None:
        return self._numbers[view.frame.index]


def _moment(lines: Sequence[Mapping[str, str]]) -> Moment:
    first = lines[0]
    return Moment(
        index=int(first["frame"]),
        time_ms=float(first["time_ms"]),
        film_frame=int(first["film_frame"]) if first["film_frame"] else None,
        faces=tuple(_seen_face(line) for line in lines if line["face_id"]),
    )


def _seen_face(line: Mapping[str, str]) -> SeenFace:
    box = np.array([float(line[name]) for name in "xywh"])
    # Of a damaged file; NaN, which compares false, is refused too.
    if not (np.abs(box) <= MAX_COORDINATE_PX).all():
        raise ValueError(f"a box must lie in a frame, received {box.tolist()}")
    unknown = np.full((5, 2), np.nan)
    detection = Detection(box, unknown, float(line["detector_score"]))
    return SeenFace(int(line["face_id"]), detection, line["true_label"])


def _shown(moments: Sequence[Moment], film: Path) -> Iterator[tuple[Moment, Frame]]:
    """Yield each moment that the film shows, with its frame as the source gave it."""
    wanted = {
        moment.film_frame: moment
        for moment in moments
        if moment.film_frame is not None
    }
    source = camera.open_source(str(film.absolute()))
    try:
        for frame in source:
            if moment := wanted.pop(frame.index, None):
                yield moment, _as_it_was(frame, moment)
            if not wanted:
                break
    finally:
        source.close()
    if wanted:
        raise FilmEnded(
            f"{film} ends before the session does: its frame {min(wanted)} is missing."
        )


def _as_it_was(frame: Frame, moment: Moment) -> Frame:
    # A film tells the time to more digits than frames.csv keeps of it.
    exact = round(frame.time_ms, 3) == moment.time_ms
    time_ms = frame.time_ms if exact else moment.time_ms
    return Frame(moment.index, time_ms, frame.pixels_bgr)
