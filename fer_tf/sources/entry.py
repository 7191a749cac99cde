"""Rows of a label file or images in folders, not yet read."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from fer_tf.sources.record import SPLITS
from fer_tf.sources.record import Record
from fer_tf.sources.rejects import Rejects


@dataclass(frozen=True)
class Entry:
    """Where a record lies and how it is read.

    Attributes:
        where: its file and row, relative to the corpus' folder.
        split: one of `SPLITS`; "" where it cannot be told, and `make` says why.
        make: reads the record; a ValueError says why it cannot.
    """

    where: str
    split: str
    make: Callable[[], Record]


@dataclass(frozen=True)
class Skipped:
    """A file or folder that is no row of the corpus and is not tried.

    Attributes:
        where: Its path, relative to the corpus' folder.
        why: The reason.
    """

    where: str
    why: str


def records(
    entries: Iterable[Entry | Skipped], rejects: Rejects, split: str = ""
) -> Iterator[Record]:
    """Yield the records of `entries`, one at a time; with a `split`, only its own.

    Over the passes of all splits every entry is tried once: one whose split cannot be
    told belongs to `train`. The second record of one key is a reject. What was skipped
    is counted, and never too much.

    Raises:
        UserError: too many were rejected. After passes of single splits it is for
            the caller to ask, by `rejects.check()`.
    """
    for entry in entries:
        if isinstance(entry, Skipped):
            rejects.skip(entry.where, entry.why)
        elif split in ("", entry.split or "train"):
            record = rejects.attempt(entry.where, _new, entry, rejects.keys)
            if record is not None:
                rejects.note(record)
                yield record
    if not split:
        rejects.check()


def splits(entries: Iterable[Entry | Skipped]) -> tuple[str, ...]:
    """Return those of `SPLITS` that have entries; no picture is read."""
    found = {entry.split or "train" for entry in entries if isinstance(entry, Entry)}
    return tuple(split for split in SPLITS if split in found)


def _new(entry: Entry, keys: set[str]) -> Record:
    record = entry.make()
    try:
        record.key.encode()
    except UnicodeEncodeError:
        raise ValueError("the picture's name is no UTF-8: rename it.") from None
    if record.key in keys:
        raise ValueError(f"{record.key} is there already: the row is a second one.")
    keys.add(record.key)
    return record
