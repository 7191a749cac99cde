"""What a live session leaves: `frames.csv`, `session.json`, and its film."""

import csv
from collections import Counter
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import TextIO

import numpy as np

from fer_tf import experiment
from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.live.frames import Frame
from fer_tf.live.pictures import pictures_in
from fer_tf.live.video_library import utf8_path
from fer_tf.live.view import FollowedFace
from fer_tf.live.view import View
from fer_tf.runtime.bundle import Bundle

FRAMES = "frames.csv"
SESSION = "session.json"
# The key of `session.json` under which a finished session has its SHA-256.
FRAMES_SHA256 = "frames_sha256"
ANNOTATED = "annotated.mp4"
RECORDED = "recorded.mkv"

# Latencies that a session's medians are of: the last hour's.
LATENCIES = 100_000
STAGES = ("detect", "classify", "total")
COLUMNS = (
    "frame",
    "time_ms",
    "face_id",
    "x",
    "y",
    "w",
    "h",
    "detector_score",
    *(f"raw_{name.lower()}" for name in CLASSES),
    *(f"smoothed_{name.lower()}" for name in CLASSES),
    "label",
    "confidence",
    "unsure",
    "true_label",
    *(f"{stage}_ms" for stage in STAGES),
    "film_frame",
    "unsure_reason",
)

# What `session.json` says of the source: when the session began (ISO 8601, UTC), which
# is time_ms 0 of a live source; how long after the source's start the first frame is
# shown; nominal frames per second; and the size in pixels.
ABOUT_SOURCE = ("started_at", "start_offset_ms", "fps", "width", "height")

# The number of the frame of the session's film that shows a view; None if none does.
FilmFrame = Callable[[View], int | None]


def check_free(folder: Path) -> None:
    """Refuse a folder that holds a session, finished or not, or a file of its names.

    Raises:
        UserError: it does; or FFmpeg cannot write a video there.
    """
    utf8_path(folder)
    for name in (SESSION, FRAMES, ANNOTATED, RECORDED):
        if (folder / name).exists():
            raise UserError(
                f"{folder} holds a session already, or at least a {name}, which would "
                "be written over. Give another --out."
            )


class Counts:
    """A log that only counts: what a session says at its end.

    Attributes:
        frames: frames seen; `without_face` of them had no face.
        labels: faces by the label that was shown, "unsure" among them.
        unsure_reasons: Unsure faces by the reason.
        identities: the faces' identities.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.without_face = 0
        self.dropped = 0
        self.labels: Counter[str] = Counter()
        self.unsure_reasons: Counter[str] = Counter()
        self.identities: set[int] = set()
        self._seen_with: dict[str, set] = {"clahe": set(), "smoothing_ms": set()}
        # Bounded, or a camera that is watched for days would fill the memory.
        self._stages_ms: dict[str, deque[float]] = {
            stage: deque(maxlen=LATENCIES) for stage in STAGES
        }

    def __call__(self, view: View) -> None:
        """Count a view."""
        self.frames += 1
        self.without_face += not view.faces
        self.dropped = view.dropped
        for name, values in self._seen_with.items():
            values.add(getattr(view, name))
        self.identities.update(face.face_id for face in view.faces)
        self.labels.update(
            "unsure" if face.unsure else face.label.lower() for face in view.faces
        )
        self.unsure_reasons.update(
            face.unsure_reason.value for face in view.faces if face.unsure
        )
        for stage, times_ms in self._stages_ms.items():
            if stage in view.stages_ms:
                times_ms.append(view.stages_ms[stage])

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the median latencies, ready for JSON."""
        return {
            "frames": self.frames,
            "frames_without_face": self.without_face,
            "frames_dropped": self.dropped,
            "faces": self.labels.total(),
            "identities": len(self.identities),
            "labels": dict(self.labels.most_common()),
            "unsure_reasons": dict(self.unsure_reasons.most_common()),
            # More than one where a key changed it.
            "seen_with": {
                name: sorted(values) for name, values in self._seen_with.items()
            },
            "median_ms": {
                stage: round(float(np.median(times_ms)), 3)
                for stage, times_ms in self._stages_ms.items()
                if times_ms
            },
        }


class SessionLog:
    """Writes a session as its frames come, so that a killed one can be read.

    `session.json` is there from the first frame on, and `frames.csv` has the rows of
    every frame that was seen; without a frame there is neither.

    Args:
        description: what `session.json` says from the beginning, as `describe` has it.
        film_frame: which frame of the session's film shows a view.
    """

    def __init__(
        self,
        folder: Path,
        description: Mapping[str, Any],
        film_frame: FilmFrame = lambda view: None,
    ) -> None:
        self._folder = folder
        self._description = dict(description)
        self._film_frame = film_frame
        self._file: TextIO | None = None

    def __call__(self, view: View) -> None:
        """Write a row per face; one with an empty `face_id` if there is none."""
        if self._file is None:
            self._begin(view.frame)
        film_frame = self._film_frame(view)
        self._rows.writerows(rows(view, film_frame))
        self._file.flush()

    def close(self) -> None:
        """Close the rows' file."""
        if self._file is not None:
            self._file.close()

    def finish(self, counts: Counts, film: Path | None) -> None:
        """Say how it ended; `film` is what `replay` will read, if it is kept."""
        if self._file is None:
            return
        ended = {
            "finished": True,
            FRAMES_SHA256: files.sha256_of(self._folder / FRAMES),
            "film": film_entry(film, self._folder),
            **counts.to_dict(),
        }
        files.write_json(self._folder / SESSION, {**self._description, **ended})

    def _begin(self, frame: Frame) -> None:
        # A replay's description has those of the session's own first frame.
        self._description |= first_frame(frame) | self._description
        self._folder.mkdir(parents=True, exist_ok=True)
        files.write_json(self._folder / SESSION, self._description)
        self._file = open(self._folder / FRAMES, "w", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        self._rows.writeheader()


def rows(view: View, film_frame: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of `frames.csv` that a view makes, by column."""
    common = {
        "frame": view.frame.index,
        "time_ms": round(view.frame.time_ms, 3),
        **{
            f"{stage}_ms": round(view.stages_ms[stage], 3)
            for stage in STAGES
            if stage in view.stages_ms
        },
        "film_frame": film_frame,
    }
    if not view.faces:
        yield common
    for face in view.faces:
        yield common | _face_columns(face)


def _face_columns(followed: FollowedFace) -> dict[str, Any]:
    face = followed.face
    return {
        "face_id": followed.face_id,
        **box_columns(face.box_xywh_px),
        "detector_score": round(face.score, 4),
        **class_columns(face.probabilities, "raw_"),
        **class_columns(followed.smoothed.probabilities, "smoothed_"),
        "label": followed.label.lower(),
        "confidence": round(followed.smoothed.confidence, 5),
        "unsure": int(followed.unsure),
        "true_label": followed.true_label.lower(),
        "unsure_reason": followed.unsure_reason.value,
    }


def box_columns(box_xywh_px: np.ndarray) -> dict[str, float]:
    """Return the columns `x`, `y`, `w` and `h` of a box, in pixels."""
    return {
        name: round(float(value), 2)
        for name, value in zip("xywh", box_xywh_px, strict=True)
    }


def class_columns(probabilities: np.ndarray, prefix: str = "") -> dict[str, float]:
    """Return a column per class, in lower case, of probabilities [7]."""
    return {
        f"{prefix}{name.lower()}": round(float(value), 5)
        for name, value in zip(CLASSES, probabilities, strict=True)
    }


def describe(
    *,
    source: str,
    bundle: Bundle,
    settings: Mapping[str, Any],
    film: Path | None,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what is known of a session when it begins, ready for JSON.

    Args:
        source: what the user called it.
        settings: of the live view.
        film: the file that is read; None of a camera.
        about: those of `ABOUT_SOURCE` that are known.
    """
    return {
        "finished": False,
        "source": source,
        **about,
        "film": film and {"path": str(film.absolute()), "sha256": None},
        "bundle": {
            "name": bundle.name,
            "digest": bundle.digest,
            "sha256": dict(bundle.sha256),
            "smoke": bundle.smoke,
            "abstain_threshold": bundle.abstain.threshold,
            "face": bundle.face.to_dict(),
        },
        "settings": dict(settings),
        "environment": experiment.environment(),
    }


def first_frame(frame: Frame) -> dict[str, Any]:
    """Return those of `ABOUT_SOURCE` that the first frame tells, ready for JSON."""
    height, width = frame.pixels_bgr.shape[:2]
    return {
        "start_offset_ms": round(frame.time_ms, 3),
        "width": width,
        "height": height,
    }


def film_entry(film: Path | None, folder: Path) -> dict[str, str] | None:
    """Return where a film lies and its SHA-256; None where there is none.

    A film in the session's own `folder` is told by its name, so that the folder can be
    moved.
    """
    if film is None:
        return None
    inside = film.parent == folder
    path = film.name if inside else str(film.absolute())
    return {"path": path, "sha256": digest_of_film(film)}


def digest_of_film(film: Path) -> str:
    """Return the SHA-256 of a film, or of the names and bytes of pictures."""
    if film.is_file():
        return files.sha256_of(film)
    return files.digest_of(
        {
            path.relative_to(film).as_posix(): files.sha256_of(path)
            for path in pictures_in(film)
        }
    )
