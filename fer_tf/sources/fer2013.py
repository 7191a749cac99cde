"""FER2013: the ICML 2013 challenge's CSV files, or the folders that Kaggle offers.

`fer2013.csv` and `icml_face_data.csv` hold the same rows: an image is 48x48 gray pixels
as text, and its key is the row. `train.csv` and `test.csv` are read where both have
labels. In the folders, `{train,test}/<class>/`, an image is a file, and its key is the
file's path.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.sources import disk
from fer_tf.sources import folders
from fer_tf.sources import text
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import Skipped
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.rejects import Rejects

NAME = "fer2013"
FILE = "fer2013.csv"
# In this order; the second is what Kaggle's challenge calls it now.
FILES = (FILE, "icml_face_data.csv")
SPLIT_FILES: Mapping[str, str] = {"train.csv": "train", "test.csv": "test"}
HEADER = ("emotion", "pixels", "Usage")
SIDE_PX = 48
SPLIT_OF_USAGE: Mapping[str, str] = {
    "Training": "train",
    "PublicTest": "validation",
    "PrivateTest": "test",
}
SPLIT_OF_FOLDER: Mapping[str, str] = {"train": "train", "test": "test"}


def find(folder: Path) -> Path:
    """Return `folder`.

    Raises:
        UserError: The folder holds none of the layouts, or lacks a part of one.
    """
    if file_in(folder) or _split_files(folder):
        return folder
    if folder.is_dir() and folders.split_folders(folders.unwrapped(folder)):
        _check_folders(folders.unwrapped(folder))
        return folder
    return disk.find(NAME, [folder], [FILE])


def file_in(folder: Path) -> Path | None:
    """Return the CSV file with all rows in a folder; None where there is none."""
    return next((folder / name for name in FILES if (folder / name).exists()), None)


def layout(root: Path) -> str:
    """Return which of the layouts was recognized, for the build's report."""
    if path := file_in(root):
        splits = ", ".join(f"{name} is {of}" for name, of in SPLIT_OF_USAGE.items())
        return f"{path.name} with a row for each image; {splits}"
    if _split_files(root):
        return "train.csv and test.csv, both with labels"
    return "folders of splits and classes, as Kaggle has them; test holds both tests"


def read(root: Path, rejects: Rejects, split: str = "") -> Iterator[Record]:
    """Yield a record per row of the CSV, or per image in folders if there is none.

    Rows without a face, which are all black, are yielded like any other. With a
    `split`, only its rows are.

    Raises:
        UserError: A file is missing or another, or too many rows were rejected.
    """
    return records(entries(root), rejects, split)


def entries(root: Path) -> Iterator[Entry | Skipped]:
    """Yield what `read` reads."""
    root = find(root)
    if path := file_in(root):
        for row, cells in enumerate(rows(path)):
            make = partial(_of_row, str(row), cells)
            yield Entry(f"{path.name}, row {row}", split_of(cells), make)
    elif paths := _split_files(root):
        for path in paths:
            yield from _of_split_file(path, SPLIT_FILES[path.name])
    else:
        inner = folders.unwrapped(root)
        yield from folders.entries(inner, NAME, SPLIT_OF_FOLDER, base=root)


def rows(path: Path) -> Iterator[list[str]]:
    """Yield the cells of each row, unchecked; errors as `text.csv_rows`."""
    return text.csv_rows(path, HEADER)


def split_of(cells: Sequence[str]) -> str:
    """Return the split of a row; "" where it cannot be told."""
    if isinstance(cells, text.Ragged):
        return ""
    return SPLIT_OF_USAGE.get(cells[2].strip(), "")


def checked(cells: Sequence[str]) -> Sequence[str]:
    """Return the cells of a row; ValueError where their number or Usage is wrong."""
    usage = text.cells(cells, len(HEADER))[2]
    if usage.strip() not in SPLIT_OF_USAGE:
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


def _split_files(folder: Path) -> list[Path]:
    """Return `train.csv` and `test.csv`; none where there is no `train.csv`.

    Raises:
        UserError: `test.csv` is missing or has no labels.
    """
    if not (folder / "train.csv").exists():
        return []
    paths = [folder / name for name in SPLIT_FILES]
    if paths[1].exists() and "emotion" in text.csv_header(paths[1]):
        return paths
    why = "has no labels" if paths[1].exists() else "is missing"
    raise UserError(
        f"{folder} holds train.csv of Kaggle's challenge, and test.csv {why}, so there "
        f"is no test split. Put {' or '.join(FILES)} of the same download there: it "
        "has every row, with its label and its Usage."
    )


def _of_split_file(path: Path, split: str) -> Iterator[Entry]:
    for row, cells in enumerate(text.csv_rows(path, HEADER[:2])):
        # Not the row's number alone, which is that of the challenge's file.
        make = partial(_record, f"{path.name}/{row}", split, cells)
        yield Entry(f"{path.name}, row {row}", split, make)


def _check_folders(root: Path) -> None:
    names = [path.name for path in folders.split_folders(root)]
    splits = {folders.SPLIT_NAMES[name] for name in folders.labelled_splits(root)}
    if "validation" in splits and "test" not in splits:
        raise UserError(
            f"{root} has the folders {' and '.join(names)}, as Kaggle's "
            "face-expression-recognition-dataset has them: FER2013 split in another "
            "way, without a test. Build it under a name of your own, not as "
            f"{NAME}: rename its folder, for example to fer_kaggle."
        )
    folders.check_both(NAME, root, SPLIT_OF_FOLDER)


def _of_row(key: str, cells: Sequence[str]) -> Record:
    return _record(key, split_of(checked(cells)), cells)


def _record(key: str, split: str, cells: Sequence[str]) -> Record:
    code, gray = text.cells(cells, len(cells))[:2]
    code = code.strip()
    label = labels.of_code(code, labels.FER2013)
    return Record(
        key=f"{NAME}/{key}",
        image=picture.encode_png(pixels(gray)),
        label=label,
        label_original=code,
        distribution=labels.one_hot(label),
        split=split,
    )
