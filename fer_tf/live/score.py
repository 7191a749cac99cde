"""Scores a labelled session: how often the live view was right, and how calm.

Which frames count is `labelled.Interval.counts`. A frame without a face is missing; it
is never taken for a class.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf import metrics
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.live.labelled import AROUND_CHANGE_MS
from fer_tf.live.labelled import HOLD_MS
from fer_tf.live.labelled import Row
from fer_tf.live.labelled import SeenFrame
from fer_tf.live.labelled import Subject
from fer_tf.live.labelled import read_frames
from fer_tf.live.labelled import subjects_of
from fer_tf.live.session import FRAMES


def score(session: Path, labels: Path | None = None) -> dict[str, Any]:
    """Score the session in a folder.

    Args:
        labels: a CSV `start_ms,end_ms,label` of what the one subject showed, who has
            the largest face of each frame; None takes `true_label` of each face.

    Raises:
        UserError: there is no session, or no frame of it counts.
    """
    frames = read_frames(session / FRAMES)
    subjects = subjects_of(frames, labels)
    scored = [pair for subject in subjects for pair in subject.scored()]
    if not scored:
        raise UserError(
            f"no face of {session} counts: a label must hold for more than "
            f"{HOLD_MS + AROUND_CHANGE_MS:g} ms. Give labels with --labels FILE.csv."
        )
    truth = np.array([label for _, label in scored])
    rows = [row for row, _ in scored]
    return {
        "frames": len(frames),
        "faces_scored": len(rows),
        "faces_per_class": dict(
            zip(CLASSES, np.bincount(truth, minlength=7).tolist(), strict=True)
        ),
        "coverage": _coverage(frames, subjects),
        "raw": _figures(truth, [row.raw for row in rows])
        | {"flips_per_minute": _flips(subjects, "raw")},
        "smoothed": _figures(truth, [row.shown for row in rows])
        | {"flips_per_minute": _flips(subjects, "shown")},
        "unsure": _unsure(truth, rows),
        "protocol": {"hold_ms": HOLD_MS, "around_change_ms": AROUND_CHANGE_MS},
    }


def _figures(truth: np.ndarray, answers: Sequence[int]) -> dict[str, Any]:
    predictions = np.array(answers)
    per_class = metrics.per_class_f1(truth, predictions)
    return {
        "accuracy": metrics.accuracy(truth, predictions),
        "macro_f1": metrics.macro_f1(truth, predictions),
        "lowest_three_f1": float(np.sort(per_class)[:3].mean()),
        "per_class_f1": dict(zip(CLASSES, per_class.tolist(), strict=True)),
    }


def _unsure(truth: np.ndarray, rows: Sequence[Row]) -> dict[str, float | None]:
    """Return accuracy with "unsure" as a wrong answer, and as none."""
    sure = np.array([not row.unsure for row in rows])
    right = np.array([row.shown for row in rows]) == truth
    return {
        "share": float(1 - sure.mean()),
        "accuracy_if_wrong": float((right & sure).mean()),
        "accuracy_if_left_out": float(right[sure].mean()) if sure.any() else None,
    }


def _coverage(frames: Sequence[SeenFrame], subjects: Sequence[Subject]) -> float:
    """Return the share with a face of the frames in which a label counts."""
    intervals = [interval for subject in subjects for interval in subject.intervals]
    with_face = [
        bool(frame.faces)
        for frame in frames
        if any(interval.counts(frame.time_ms) for interval in intervals)
    ]
    return float(np.mean(with_face))


def _flips(subjects: Sequence[Subject], answer: str) -> float:
    """Return how often a face's answer changes, per minute that the face was seen."""
    flips, seen_ms = 0, 0.0
    for subject in subjects:
        for before, after in pairwise(subject.rows):
            if before.face_id == after.face_id:
                flips += getattr(before, answer) != getattr(after, answer)
                seen_ms += max(0.0, after.time_ms - before.time_ms)
    return 60_000 * flips / seen_ms if seen_ms else 0.0
