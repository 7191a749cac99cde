"""True labels from a CSV file, for scoring a session, and when each of them counts.

By the protocol of the system that this one follows, a label counts once it has held for
`HOLD_MS`, and not in the `AROUND_CHANGE_MS` before it changes, since nobody's face
changes at the stroke of a clock.
"""

import csv
import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.errors import unknown_name
from fer_tf.labels import INDEX
from fer_tf.labels import NAMES

HOLD_MS = 600.0
AROUND_CHANGE_MS = 250.0
LABEL_COLUMNS = ("start_ms", "end_ms", "label")


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
        return Interval(start_ms, end_ms, class_index(line["label"] or ""))
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


def class_index(name: str) -> int:
    """Return the index of a class by its name in any case, or a UserError."""
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
