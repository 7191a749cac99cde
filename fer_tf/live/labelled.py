"""A session read back, and the true labels to score it against.

By the protocol of the system that this one follows: a label counts once it has held
for `HOLD_MS`, and `AROUND_CHANGE_MS` before it changes are left out, since nobody's
face changes at the stroke of a clock.
"""

import csv
import math
import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from itertools import pairwise
from operator import attrgetter
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import numpy as np

from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.errors import unknown_name
from fer_tf.labels import CLASSES
from fer_tf.labels import INDEX
from fer_tf.labels import NAMES
from fer_tf.live.session import FRAMES_SHA256
from fer_tf.live.session import SESSION

log = logging.getLogger(__name__)

HOLD_MS = 600.0
AROUND_CHANGE_MS = 250.0
LABEL_COLUMNS = ("start_ms", "end_ms", "label")

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Interval:
    """A true label (an index) and when it was shown."""

    start_ms: float
    end_ms: float
    label: int

    @property
    def counted_ms(self) -> tuple[float, float]:
        """When frames are scored against this label; empty if the end comes first."""
        start_ms = self.start_ms + max(HOLD_MS, AROUND_CHANGE_MS)
        return start_ms, self.end_ms - AROUND_CHANGE_MS

    def counts(self, time_ms: float) -> bool:
        """Tell whether a frame at `time_ms` is scored against this label."""
        first_ms, last_ms = self.counted_ms
        return first_ms <= time_ms <= last_ms


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


def read_intervals(path: Path) -> list[Interval]:
    """Read true labels from a CSV `start_ms,end_ms,label`; neighbours that agree are
    one.

    Raises:
        UserError: The file is missing, lacks a column, has no rows, or one of its rows
            is malformed, names an unknown class, or overlaps the row before it.
    """
    do = f"Expected a CSV file with the columns {','.join(LABEL_COLUMNS)}."
    with files.reading(path, "a table of labels", do, csv.Error):
        table = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
        _check_columns(path, table.fieldnames or ())
        rows = [
            (f"{path}, line {(number := table.line_num)}", _interval(line, number))
            for line in table
        ]
    if not rows:
        raise UserError(f"{path} has no rows below its header: expected labels.")
    for (_, before), (where, after) in pairwise(rows):
        if after.start_ms < before.end_ms:
            raise UserError(
                f"{where}: the label begins at {after.start_ms:g} ms, before the one "
                f"above it ends at {before.end_ms:g} ms: expected labels in the order "
                "of time that do not overlap."
            )
    return _merged([interval for _, interval in rows])


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    missing = [name for name in LABEL_COLUMNS if name not in columns]
    if missing:
        received = ",".join(columns)[:100]
        raise UserError(
            f"{path} lacks the column {missing[0]}: expected the columns "
            f"{','.join(LABEL_COLUMNS)}, received {received or 'an empty file'}."
        )


def _interval(line: Mapping[str, str | None], number: int) -> Interval:
    """Return the label of the row in the line `number`."""
    where = f"line {number}"
    start_ms, end_ms = (
        _milliseconds(line[name], f"{where}: {name}") for name in LABEL_COLUMNS[:2]
    )
    if not start_ms < end_ms:
        raise UserError(
            f"{where}: the label ends at {end_ms:g} ms, not after its start_ms of "
            f"{start_ms:g} ms."
        )
    try:
        return Interval(start_ms, end_ms, _class(line["label"] or ""))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _milliseconds(text: str | None, what: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        shown = repr(text)[:80]
        raise UserError(f"{what} must be a number of milliseconds, received {shown}.")
    return value


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
        shown=_class(line["label"]),
        unsure=line["unsure"] == "1",
        true_label=line["true_label"],
    )


def _class(name: str) -> int:
    if name.lower() not in NAMES:
        raise unknown_name("label", name, NAMES)
    return INDEX[NAMES[name.lower()]]


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for interval in intervals:
        before = merged[-1] if merged else None
        if before and (before.end_ms, before.label) == (
            interval.start_ms,
            interval.label,
        ):
            merged.pop()
            interval = Interval(before.start_ms, interval.end_ms, interval.label)
        merged.append(interval)
    return merged


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
            yield Interval(start_ms, end_ms, _class(label))
