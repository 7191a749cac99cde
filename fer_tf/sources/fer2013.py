"""FER2013: the ICML 2013 challenge's `fer2013.csv`, or the folders Kaggle offers.

In the CSV a picture is 48x48 grey pixels as text, and its key is the row. In the
folders, `{train,test}/<class>/`, it is a file, and its key is the file's path.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fer_tf import labels
from fer_tf import picture
from fer_tf.sources import disk
from fer_tf.sources import folders
from fer_tf.sources import text
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.rejects import Rejects

NAME = "fer2013"
FILE = "fer2013.csv"
HEADER = ("emotion", "pixels", "Usage")
SIDE_PX = 48
SPLIT_OF_USAGE: Mapping[str, str] = {
    "Training": "train",
    "PublicTest": "validation",
    "PrivateTest": "test",
}
SPLIT_OF_FOLDER: Mapping[str, str] = {"train": "train", "test": "test"}


def find(folder: Path) -> Path:
    """Return `folder`; UserError where it holds neither `FILE` nor both folders."""
    if (folder / FILE).exists():
        return folder
    if folder.is_dir() and folders.split_folders(folder, SPLIT_OF_FOLDER):
        folders.check_both(NAME, folder, SPLIT_OF_FOLDER)
        return folder
    return disk.find(NAME, [folder], [FILE])


def read(root: Path, rejects: Rejects, split: str = "") -> Iterator[Record]:
    """Yield a record per row of `FILE`, or per picture in folders if there is none.

    Rows without a face, which are all black, are yielded like any other. With a
    `split`, only its rows are.

    Raises:
        UserError: the file is missing or another, or too many rows were rejected.
    """
    return records(entries(root), rejects, split)


def entries(root: Path) -> Iterator[Entry]:
    """Yield what `read` reads."""
    root = find(root)
    if (root / FILE).exists():
        for row, cells in enumerate(rows(root / FILE)):
            yield Entry(
                f"{FILE}, row {row}", split_of(cells), partial(_of_row, row, cells)
            )
    else:
        yield from folders.entries(root, NAME, SPLIT_OF_FOLDER)


def rows(path: Path) -> Iterator[list[str]]:
    """Yield the cells of each row of `FILE`, unchecked; errors as `text.csv_rows`."""
    return text.csv_rows(path, HEADER)


def split_of(cells: Sequence[str]) -> str:
    """Return the split of a row of `FILE`; "" where it cannot be told."""
    return SPLIT_OF_USAGE.get(cells[2], "") if len(cells) == len(HEADER) else ""


def checked(cells: Sequence[str]) -> Sequence[str]:
    """Return the cells of a row; ValueError where their number or Usage is wrong."""
    usage = text.cells(cells, len(HEADER))[2]
    if usage not in SPLIT_OF_USAGE:
        known = ", ".join(SPLIT_OF_USAGE)
        raise ValueError(f"expected a Usage of {known}, received {usage[:40]!r}.")
    return cells


def pixels(cell: str) -> np.ndarray:
    """Return the picture in a cell, uint8 [48, 48], grey.

    Raises:
        ValueError: a pixel is none, or their number is another.
    """
    try:
        values = bytes(map(int, cell.split()))
    except ValueError as error:
        raise ValueError(f"expected pixels of 0 to 255: {error}.") from None
    if len(values) != SIDE_PX**2:
        raise ValueError(f"expected {SIDE_PX**2} pixels, received {len(values)}.")
    return np.frombuffer(values, np.uint8).reshape(SIDE_PX, SIDE_PX)


def _of_row(row: int, cells: Sequence[str]) -> Record:
    code, grey, _ = checked(cells)
    label = labels.of_code(code, labels.FER2013)
    return Record(
        key=f"{NAME}/{row}",
        image=picture.encode_png(pixels(grey)),
        label=label,
        label_original=code,
        distribution=labels.one_hot(label),
        split=split_of(cells),
    )
