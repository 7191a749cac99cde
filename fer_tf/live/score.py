"""Scores a labelled session: how often the live view was right, and how calm.

`label_table.Interval.counts` says which frames count. A frame without a face is
missing; it is never taken for a class.
"""

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf import metrics
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.live.label_table import AROUND_CHANGE_MS
from fer_tf.live.label_table import HOLD_MS
from fer_tf.live.labelled import Row
from fer_tf.live.labelled import SeenFrame
from fer_tf.live.labelled import Subject
from fer_tf.live.labelled import read_frames
from fer_tf.live.labelled import subjects_of
from fer_tf.live.session import FRAMES

# By the protocol of the system that this one follows.
MOST_FLIPS = 1.1


@dataclass(frozen=True, eq=False)
class Scored:
    """The rows of a session that count, and what they are held against.

    Attributes:
        truth: the true label's index of each row, [n].
        groups: which showing of a label each row is from, [n]: its frames are nearly
            one picture, and are drawn together where intervals are estimated.
    """

    frames: list[SeenFrame]
    subjects: list[Subject]
    rows: list[Row]
    truth: np.ndarray
    groups: np.ndarray


def score(session: Path, labels: Path | None = None) -> dict[str, Any]:
    """Score the session in a folder.

    Args:
        labels: a CSV `start_ms,end_ms,label` of what the one subject showed, who has
            the largest face of each frame; None takes `true_label` of each face. Then
            `coverage` is None: a face that is gone has no label to count by.

    Raises:
        UserError: there is no session, or no frame of it counts.
    """
    scored = _scored(session, labels)
    return {
        "frames": len(scored.frames),
        "faces_scored": len(scored.rows),
        "labels_scored": len(np.unique(scored.groups)),
        "faces_per_class": dict(
            zip(CLASSES, np.bincount(scored.truth, minlength=7).tolist(), strict=True)
        ),
        "coverage": _coverage(scored.frames, scored.subjects) if labels else None,
        "raw": _figures(scored, "raw"),
        "smoothed": _figures(scored, "shown"),
        "unsure": _unsure(scored),
        "protocol": {"hold_ms": HOLD_MS, "around_change_ms": AROUND_CHANGE_MS},
    }


def judge(
    session: Path, baseline: Path, labels: Path | None = None, seed: int = 0
) -> dict[str, Any]:
    """Say whether a session's answers may take the place of a baseline's.

    What is shown must have a higher macro-F1, and must change no more than
    `MOST_FLIPS` times as often.

    Args:
        session: a replay of the baseline, or the other way round.
        labels: as `score` takes them.

    Returns:
        `macro_f1_raised_by` with its paired 95 % interval `[value, low, high]`, the
        ratio `flips` (null where the baseline never flips), and the `verdict`: `fail`;
        `inconclusive` where the interval holds 0, or a label was shown but once; or
        `pass`.

    Raises:
        UserError: the two are not of the same faces.
    """
    ours, theirs = _scored(session, labels), _scored(baseline, labels)
    if not _same_faces(ours, theirs):
        raise UserError(
            f"{session} and {baseline} are not of the same faces. Make one with "
            "`fer-tf replay` of the other; or both, of one session, where its film "
            "lacks what was seen live."
        )
    raised = metrics.with_intervals(
        lambda truth, shown, before: {
            "macro_f1": metrics.macro_f1(truth, shown)
            - metrics.macro_f1(truth, before)
        },
        ours.truth,
        _answers(ours, "shown"),
        _answers(theirs, "shown"),
        groups=ours.groups,
        seed=seed,
    )["macro_f1"]
    flips, flips_before = (_flips(one.subjects, "shown") for one in (ours, theirs))
    if raised[0] <= 0 or flips > MOST_FLIPS * flips_before:
        verdict = "fail"
    else:
        # One showing has no interval.
        several = len(np.unique(ours.groups)) > 1
        verdict = "pass" if several and raised[1] > 0 else "inconclusive"
    return {
        "verdict": verdict,
        "macro_f1_raised_by": raised,
        "flips": flips / flips_before if flips_before else None,
        "most_flips": MOST_FLIPS,
    }


def _scored(session: Path, labels: Path | None) -> Scored:
    frames = read_frames(session / FRAMES)
    subjects = subjects_of(frames, labels)
    pairs = [pair for subject in subjects for pair in subject.scored()]
    if not pairs:
        raise UserError(
            f"no face of {session} counts: a label must hold for more than "
            f"{HOLD_MS + AROUND_CHANGE_MS:g} ms. Give labels with --labels FILE.csv."
        )
    # A showing is known by its object: two faces may show the same at one time.
    showings = {id(interval): number for number, (_, interval) in enumerate(pairs)}
    return Scored(
        frames,
        subjects,
        rows=[row for row, _ in pairs],
        truth=np.array([interval.label for _, interval in pairs]),
        groups=np.array([showings[id(interval)] for _, interval in pairs]),
    )


def _same_faces(ours: Scored, theirs: Scored) -> bool:
    def faces(scored: Scored) -> list[tuple]:
        return [(row.time_ms, row.face_id, row.area_px) for row in scored.rows]

    return faces(ours) == faces(theirs)


def _answers(scored: Scored, which: str) -> np.ndarray:
    return np.array([getattr(row, which) for row in scored.rows])


def _figures(scored: Scored, which: str) -> dict[str, Any]:
    """Return the figures of `raw` or `shown` answers, the main ones with intervals."""
    answers = _answers(scored, which)
    figures = _main_figures(scored.truth, answers)
    ends = metrics.bootstrap_interval(
        lambda *drawn: list(_main_figures(*drawn).values()),
        scored.truth,
        answers,
        groups=scored.groups,
    )
    return {
        **figures,
        "intervals": dict(zip(figures, ends.T.tolist(), strict=True)),
        "per_class_f1": dict(
            zip(
                CLASSES,
                metrics.per_class_f1(scored.truth, answers).tolist(),
                strict=True,
            )
        ),
        "flips_per_minute": _flips(scored.subjects, which),
    }


def _main_figures(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": metrics.accuracy(truth, answers),
        "macro_f1": metrics.macro_f1(truth, answers),
        "lowest_three_f1": metrics.lowest_f1(truth, answers, 3),
    }


def _unsure(scored: Scored) -> dict[str, float | None]:
    """Return accuracy with "unsure" as a wrong answer, and as none.

    Flips are of what is told, a class or "unsure".
    """
    sure = ~_answers(scored, "unsure")
    right = _answers(scored, "shown") == scored.truth
    return {
        "share": float(1 - sure.mean()),
        "accuracy_if_wrong": float((right & sure).mean()),
        "accuracy_if_left_out": float(right[sure].mean()) if sure.any() else None,
        "flips_per_minute": _flips(scored.subjects, "told"),
    }


def _coverage(frames: Sequence[SeenFrame], subjects: Sequence[Subject]) -> float:
    """Return the share, with a face in view, of the time in which a label counts.

    A frame is in view from its time to the next frame's time, the last one as long as
    the one before it. So time without frames is missing, too.
    """
    begin_ms = np.array([frame.time_ms for frame in frames])
    lasting_ms = np.maximum(0.0, np.diff(begin_ms))
    end_ms = begin_ms + np.append(lasting_ms, lasting_ms[-1:])[: len(begin_ms)]
    seen_ms = counted_ms = 0.0
    with_face = np.array([bool(frame.faces) for frame in frames])
    for interval in (one for subject in subjects for one in subject.intervals):
        first_ms, last_ms = interval.counted_ms
        counted_ms += max(0.0, last_ms - first_ms)
        within_ms = np.minimum(end_ms, last_ms) - np.maximum(begin_ms, first_ms)
        seen_ms += np.maximum(0.0, within_ms)[with_face].sum()
    # A label may count at a single instant.
    return float(seen_ms / counted_ms) if counted_ms else 1.0


def _flips(subjects: Sequence[Subject], answer: str) -> float:
    return flips_per_minute([subject.rows for subject in subjects], answer)


def flips_per_minute(faces: Iterable[Sequence[Row]], answer: str) -> float:
    """Return how often a face's answer changes, per minute that the face was seen.

    Args:
        faces: the rows of each.
        answer: `raw`, `shown` or `told`.
    """
    flips, seen_ms = 0, 0.0
    for rows in faces:
        for before, after in pairwise(rows):
            if before.face_id == after.face_id:
                flips += getattr(before, answer) != getattr(after, answer)
                seen_ms += max(0.0, after.time_ms - before.time_ms)
    return 60_000 * flips / seen_ms if seen_ms else 0.0
