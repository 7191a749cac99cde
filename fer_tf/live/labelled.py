"""A session read back, its faces beside the true labels to score them against."""

import csv
import logging
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import numpy as np

from fer_tf import files
from fer_tf.labels import CLASSES
from fer_tf.live.label_table import AROUND_CHANGE_MS
from fer_tf.live.label_table import Interval
from fer_tf.live.label_table import class_index
from fer_tf.live.label_table import read_intervals
from fer_tf.live.session import FRAMES_SHA256
from fer_tf.live.session import SESSION

log = logging.getLogger(__name__)

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Row:
    """What is scored of one face in one frame; classes are indices."""

    time_ms: float
    face_id: str
    area_px: float
    raw: int
    shown: int
    unsure: bool
    true_label: str

    @property
    def told(self) -> int | None:
        """What a user reads: the class that is shown, None for "unsure"."""
        return None if self.unsure else self.shown


@dataclass(frozen=True)
class SeenFrame:
    """A frame's time and its faces; other frames may have the same time."""

    time_ms: float
    faces: tuple[Row, ...]


@dataclass(frozen=True)
class Subject:
    """One face's rows in the order of time, and its true labels."""

    rows: tuple[Row, ...]
    intervals: tuple[Interval, ...]

    def scored(self) -> Iterator[tuple[Row, Interval]]:
        """Yield the rows that count, each with its true label's interval."""
        for row in self.rows:
            for interval in self.intervals:
                if interval.counts(row.time_ms):
                    yield row, interval


def read_frames(path: Path) -> list[SeenFrame]:
    """Read `frames.csv`: the frames in the order in which they were seen.

    Raises:
        UserError: it is not there, or not a session's.
    """
    return by_frame(path, _seen_frame)


def subjects_of(frames: Sequence[SeenFrame], labels: Path | None) -> list[Subject]:
    """Return whom to score: the one that `labels` are of, or each labelled face.

    Args:
        frames: as `read_frames` returns them.
        labels: a CSV as `read_intervals` takes it; its one subject has the largest
            face of each frame.
    """
    if labels:
        return [Subject(_largest(frames), tuple(read_intervals(labels)))]
    return [
        Subject(rows, tuple(_intervals_of(rows)))
        for rows in rows_by_face(frames)
        if any(row.true_label for row in rows)
    ]


def rows_by_face(frames: Sequence[SeenFrame]) -> list[tuple[Row, ...]]:
    """Return each face's rows, in the order of frames."""
    faces: dict[str, list[Row]] = {}
    for frame in frames:
        for row in frame.faces:
            faces.setdefault(row.face_id, []).append(row)
    return [tuple(rows) for rows in faces.values()]


_AGAIN = "Make the session again with: fer-tf live --out DIR"


def by_frame(path: Path, read: Callable[[list[dict[str, str]]], Seen]) -> list[Seen]:
    """Return what `read` makes of each frame's rows in a `frames.csv`.

    Half a row, where the session was killed, is dropped. A warning says where the file
    is not as a finished session wrote it: true labels may be edited by hand.

    Raises:
        UserError: the file is missing or damaged, or is not a session's.
    """
    _warn_if_changed(path)
    with files.reading(path, "a session's frames.csv", _AGAIN, csv.Error):
        whole, newline, _ = path.read_text(encoding="utf-8-sig").rpartition("\n")
        return [
            read(list(lines))
            for _, lines in groupby(_lines(whole + newline), itemgetter("frame"))
        ]


def _warn_if_changed(path: Path) -> None:
    summary = path.with_name(SESSION)
    if not (path.is_file() and summary.is_file()):
        return
    content = files.read_json(summary)
    expected = content.get(FRAMES_SHA256) if isinstance(content, dict) else None
    # A session that was killed has none, and its last row may be half written.
    if expected and content.get("finished") and files.sha256_of(path) != expected:
        log.warning(
            "%s was damaged or edited since the session ended: its SHA-256 is not the "
            "one in %s.",
            path,
            SESSION,
        )


def _lines(text: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(text.splitlines())


def _seen_frame(lines: Sequence[Mapping[str, str]]) -> SeenFrame:
    faces = tuple(_row(line) for line in lines if line["face_id"])
    return SeenFrame(float(lines[0]["time_ms"]), faces)


def _row(line: Mapping[str, str]) -> Row:
    raw = [float(line[f"raw_{name.lower()}"]) for name in CLASSES]
    return Row(
        time_ms=float(line["time_ms"]),
        face_id=line["face_id"],
        area_px=float(line["w"]) * float(line["h"]),
        raw=int(np.argmax(raw)),
        shown=class_index(line["label"]),
        unsure=line["unsure"] == "1",
        true_label=line["true_label"],
    )


def _largest(frames: Sequence[SeenFrame]) -> tuple[Row, ...]:
    """Return the largest face of each frame that has one."""
    return tuple(
        max(frame.faces, key=lambda row: row.area_px)
        for frame in frames
        if frame.faces
    )


def _intervals_of(rows: Sequence[Row]) -> Iterator[Interval]:
    """Yield the runs of equal true labels; the last row's is no change."""
    by_label = groupby(rows, attrgetter("true_label"))
    runs = [(label, next(run).time_ms) for label, run in by_label]
    last_ms = rows[-1].time_ms + AROUND_CHANGE_MS
    ends = [start_ms for _, start_ms in runs[1:]] + [last_ms]
    for (label, start_ms), end_ms in zip(runs, ends, strict=True):
        if label:
            yield Interval(start_ms, end_ms, class_index(label))
