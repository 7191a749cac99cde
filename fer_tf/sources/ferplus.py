"""FERPlus: ten crowd votes for each picture of FER2013, joined by their rows.

The publisher gives `fer2013new.csv`, which holds no pictures; they are in
`fer2013.csv` or `icml_face_data.csv`, in the same folder or in the folder `fer2013`
beside it. Or its own `generate_training_data.py` has joined the two: then each split is
a folder of images with a `label.csv`. A record's label is the column with the most
votes, of several the first.
"""

import csv
import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
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
from fer_tf.sources.record import converted
from fer_tf.sources.rejects import Rejects

NAME = "ferplus"
FILE = "fer2013new.csv"
HEADER = ("Usage", "Image name", *labels.FERPLUS_COLUMNS)
MADE_FILE = "label.csv"
SPLIT_OF_MADE: Mapping[str, str] = {
    "FER2013Train": "train",
    "FER2013Valid": "validation",
    "FER2013Test": "test",
}
IMAGE_NAME = re.compile(r"fer(\d+)\.png")
WHOLE = "(0, 0, 48, 48)"


def find(folder: Path) -> Path:
    """Return `folder`.

    Raises:
        UserError: The votes or the images are missing.
    """
    if _made(folder):
        disk.find(NAME, [folder], [f"{name}/{MADE_FILE}" for name in SPLIT_OF_MADE])
        return folder
    disk.find(NAME, [folder], [FILE])
    _pixels_file(folder)
    return folder


def layout(root: Path) -> str:
    """Return which of the layouts was recognized, for the build's report."""
    if _made(root):
        return f"{', '.join(SPLIT_OF_MADE)}, each with {MADE_FILE}"
    return f"{FILE} and {_pixels_file(root).name}, joined row by row"


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
    if _made(root):
        yield from _of_made(root)
        return
    path, pixels_path = root / FILE, _pixels_file(root)
    numbers = _numbers(pixels_path)
    pairs = zip_longest(text.csv_rows(path, HEADER), fer2013.rows(pixels_path))
    for row, (cells, face) in enumerate(pairs):
        if cells is None or face is None:
            shorter = pixels_path if face is None else path
            raise UserError(
                f"{path} and {pixels_path} are joined row by row, but {shorter} ends "
                f"after {row} rows and the other does not: both must be as published."
            )
        if next(numbers, str(row)) != str(row):
            raise UserError(
                f"{pixels_path}, row {row}, is numbered otherwise by its first column: "
                f"its rows were moved, and {path} has the published order. Use the "
                "file as published."
            )
        split = fer2013.SPLIT_OF_USAGE.get(cells[0], "") if cells else ""
        yield Entry(f"{FILE}, row {row}", split, partial(_record, row, cells, face))


def _pixels_file(folder: Path) -> Path:
    beside = [folder, folder.parent / fer2013.NAME]
    found = [path for each in beside if (path := fer2013.file_in(each))]
    if not found:
        disk.find(f"{NAME} (the images)", beside, [fer2013.FILE])
    return found[0]


def _numbers(path: Path) -> Iterator[str]:
    """Yield the number that pandas gave each row; nothing where there is none."""
    first = text.csv_header(path)[:1]
    if first and first[0] in ("", "unnamed: 0"):
        for cells in text.csv_rows(path, first):
            yield "" if isinstance(cells, text.Ragged) else cells[0].strip()


def _made(folder: Path) -> bool:
    """Return whether `generate_training_data.py` has made the folders of the splits.

    Its repository holds the label files without images.
    """
    return any(
        next((folder / name).glob("fer*.png"), None) is not None
        for name in SPLIT_OF_MADE
    )


def _of_made(root: Path) -> Iterator[Entry]:
    for name, split in SPLIT_OF_MADE.items():
        for row, line in text.lines(root / name / MADE_FILE):
            where = f"{name}/{MADE_FILE}, row {row}"
            yield Entry(where, split, partial(_made_record, root / name, split, line))


def _made_record(folder: Path, split: str, line: str) -> Record:
    file, box, *counts = text.cells(next(csv.reader([line])), 2 + len(HEADER[2:]))
    number = IMAGE_NAME.fullmatch(file.strip())
    if not number or box.strip() != WHOLE:
        raise ValueError(f"expected fer<row>.png and {WHOLE}, received {line[:60]!r}.")
    image, kind = disk.encoded(folder, file.strip())
    record = _voted(int(number[1]), text.votes(counts), image, split)
    return replace(record, notes=converted(kind))


def _record(row: int, cells: Sequence[str], face: Sequence[str]) -> Record:
    text.cells(cells, len(HEADER))
    _, pixels, usage = fer2013.checked(face)
    if cells[0] != usage:
        raise ValueError(
            f"expected the Usage {usage!r} of the images, received "
            f"{cells[0][:40]!r}."
        )
    image = picture.encode_png(fer2013.pixels(pixels))
    return _voted(row, text.votes(cells[2:]), image, fer2013.split_of(face))


def _voted(row: int, votes: tuple[int, ...], image: bytes, split: str) -> Record:
    name = _winner(votes)
    label = labels.NAMES.get(name, "")
    return Record(
        key=f"{NAME}/{row}",
        image=image,
        label=label,
        label_original=name,
        distribution=_distribution(votes) if label else labels.one_hot(""),
        split=split,
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
