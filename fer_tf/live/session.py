"""What a live session leaves: `frames.csv`, `session.json`, and its film."""

import csv
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf import experiment
from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.live.view import FollowedFace
from fer_tf.live.view import View
from fer_tf.runtime.bundle import Bundle

FRAMES = "frames.csv"
SESSION = "session.json"
ANNOTATED = "annotated.mp4"
RECORDED = "recorded.mp4"

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
)


def check_free(folder: Path) -> None:
    """Refuse a folder that holds a finished session.

    Raises:
        UserError: it does.
    """
    if (folder / SESSION).exists():
        raise UserError(f"{folder} holds a session already. Give another --out.")


class Counts:
    """A log that only counts: what a session says at its end.

    Attributes:
        frames: frames seen; `without_face` of them had no face.
        labels: faces by the label that was shown, "unsure" among them.
        identities: the faces' identities.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.without_face = 0
        self.dropped = 0
        self.labels: Counter[str] = Counter()
        self.identities: set[int] = set()
        self._stages_ms: dict[str, list[float]] = {stage: [] for stage in STAGES}

    def __call__(self, view: View) -> None:
        """Count a view."""
        self.frames += 1
        self.without_face += not view.faces
        self.dropped = view.dropped
        self.identities.update(face.face_id for face in view.faces)
        self.labels.update(
            "unsure" if face.unsure else face.label.lower() for face in view.faces
        )
        for stage, times_ms in self._stages_ms.items():
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
            "median_ms": {
                stage: round(float(np.median(times_ms)), 3)
                for stage, times_ms in self._stages_ms.items()
                if times_ms
            },
        }


class FrameLog:
    """Writes `frames.csv` as the frames come, so that a killed session has its rows."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / FRAMES, "w", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        self._rows.writeheader()

    def __call__(self, view: View) -> None:
        """Write a row per face; one with an empty `face_id` if there is none."""
        self._rows.writerows(rows(view))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def rows(view: View) -> Iterator[dict[str, Any]]:
    """Yield the rows of `frames.csv` that a view makes, by column."""
    common = {
        "frame": view.frame.index,
        "time_ms": round(view.frame.time_ms, 3),
        **{f"{stage}_ms": round(view.stages_ms[stage], 3) for stage in STAGES},
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


def write_summary(
    folder: Path,
    *,
    source: str,
    bundle: Bundle,
    settings: Mapping[str, Any],
    counts: Counts,
) -> None:
    """Write `session.json`, which comes last and says that the session is whole."""
    content = {
        "source": source,
        "bundle": {
            "name": bundle.name,
            "digest": bundle.digest,
            "smoke": bundle.smoke,
            "abstain_threshold": bundle.abstain.threshold,
        },
        "settings": dict(settings),
        **counts.to_dict(),
        "environment": experiment.environment(),
    }
    files.write_json(folder / SESSION, content)
