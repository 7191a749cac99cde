"""FERPlus: ten crowd votes for each picture of FER2013, joined by their rows.

The publisher gives `fer2013new.csv`, which holds no pictures; they are in
`fer2013.csv`, in the same folder or in the folder `fer2013` beside it. A record's label
is the column with the most votes, of several the first.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.sources import disk
from fer_tf.sources import fer2013
from fer_tf.sources import text
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.rejects import Rejects

NAME = "ferplus"
FILE = "fer2013new.csv"
HEADER = ("Usage", "Image name", *labels.FERPLUS_COLUMNS)


def find(folder: Path) -> Path:
    """Return `folder`; UserError where the votes or the pictures are missing."""
    disk.find(NAME, [folder], [FILE])
    _pixels_folder(folder)
    return folder


def read(root: Path, rejects: Rejects, split: str = "") -> Iterator[Record]:
    """Yield a record per row of `FILE`, the key the row, as in FER2013.

    Rows without a face, which have no image name, are yielded like any other. With a
    `split`, only its rows are.

    Raises:
        UserError: a file is missing or another, one has more rows than the other, or
            too many rows were rejected.
    """
    return records(entries(root), rejects, split)


def entries(root: Path) -> Iterator[Entry]:
    """Yield what `read` reads."""
    root = find(root)
    path, pixels_path = root / FILE, _pixels_folder(root) / fer2013.FILE
    pairs = zip_longest(text.csv_rows(path, HEADER), fer2013.rows(pixels_path))
    for row, (cells, face) in enumerate(pairs):
        if cells is None or face is None:
            shorter = pixels_path if face is None else path
            raise UserError(
                f"{path} and {pixels_path} are joined row by row, but {shorter} ends "
                f"after {row} rows and the other does not: both must be as published."
            )
        split = fer2013.SPLIT_OF_USAGE.get(cells[0], "") if cells else ""
        yield Entry(f"{FILE}, row {row}", split, partial(_record, row, cells, face))


def _pixels_folder(folder: Path) -> Path:
    beside = [folder, folder.parent / fer2013.NAME]
    return disk.find(f"{NAME} (the pictures)", beside, [fer2013.FILE])


def _record(row: int, cells: Sequence[str], face: Sequence[str]) -> Record:
    text.cells(cells, len(HEADER))
    _, pixels, usage = fer2013.checked(face)
    if cells[0] != usage:
        raise ValueError(
            f"expected the Usage {usage!r} of {fer2013.FILE}, received "
            f"{cells[0][:40]!r}."
        )
    votes = text.votes(cells[2:])
    name = _winner(votes)
    label = labels.NAMES.get(name, "")
    return Record(
        key=f"{NAME}/{row}",
        image=picture.encode_png(fer2013.pixels(pixels)),
        label=label,
        label_original=name,
        distribution=_distribution(votes) if label else labels.one_hot(""),
        split=fer2013.split_of(face),
        votes=votes,
    )


def _winner(votes: Sequence[int]) -> str:
    if not sum(votes):
        raise ValueError("expected votes, received none at all.")
    return labels.FERPLUS_COLUMNS[votes.index(max(votes))]


def _distribution(votes: Sequence[int]) -> tuple[float, ...]:
    """Return the part [7] of the votes for our classes that each of them has."""
    ours = [0] * labels.NUM_CLASSES
    for name, vote in zip(labels.FERPLUS_COLUMNS, votes, strict=True):
        if name in labels.NAMES:
            ours[labels.INDEX[labels.NAMES[name]]] = vote
    return labels.to_distribution(ours)
