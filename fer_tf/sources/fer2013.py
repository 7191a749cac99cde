"""FER2013: the ICML 2013 challenge's `fer2013.csv`, 48x48 grey pixels as text."""

import csv
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.sources.record import Record

NAME = "fer2013"
FILE = "fer2013.csv"
HEADER = ["emotion", "pixels", "Usage"]
SIDE_PX = 48
SPLIT_OF_USAGE: Mapping[str, str] = {
    "Training": "train",
    "PublicTest": "validation",
    "PrivateTest": "test",
}
# More than this part of the rows unreadable is not a slip: it is another file.
MOST_REJECTED = 0.01


def read(
    path: Path, reject: Callable[[str], None], split: str = ""
) -> Iterator[Record]:
    """Yield a record per row of `fer2013.csv`, the key the row counted from 0.

    Rows without a face, which are all black, are yielded like any other. With a
    `split`, only its rows are.

    Args:
        reject: called with a message that names the file and the row, for each row
            that cannot be read; the row is left out.

    Raises:
        UserError: the file is missing, its header is another, or more than
            `MOST_REJECTED` of its rows were rejected.
    """
    read_rows = rejected = 0
    for row, cells in enumerate(_rows(path)):
        try:
            if split in ("", _split(cells)):
                yield _record(row, cells)
                read_rows += 1
        except ValueError as error:
            rejected += 1
            reject(f"{path}, row {row}: {error}")
    if rejected > MOST_REJECTED * (read_rows + rejected):
        raise UserError(
            f"{path}: {rejected} of {read_rows + rejected} rows cannot be read. "
            f"Is it {FILE} as the publisher gives it?"
        )


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if header != HEADER:
                raise UserError(
                    f"{path}: expected the header {','.join(HEADER)}, "
                    f"received {','.join(header)[:80]!r}."
                )
            yield from rows
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not readable as CSV: {error}") from None


def _split(cells: list[str]) -> str:
    if len(cells) != len(HEADER):
        raise ValueError(f"expected {len(HEADER)} cells, received {len(cells)}.")
    usage = cells[2]
    if usage not in SPLIT_OF_USAGE:
        known = ", ".join(SPLIT_OF_USAGE)
        raise ValueError(f"expected a Usage of {known}, received {usage!r}.")
    return SPLIT_OF_USAGE[usage]


def _record(row: int, cells: list[str]) -> Record:
    code, pixels, _ = cells
    if code not in labels.FER2013:
        raise ValueError(f"expected an emotion of 0 to 6, received {code!r}.")
    label = labels.FER2013[code]
    return Record(
        key=f"{NAME}/{row}",
        image=picture.encode_png(_pixels(pixels)),
        label=label,
        label_original=code,
        distribution=labels.one_hot(label),
        split=_split(cells),
    )


def _pixels(text: str) -> np.ndarray:
    try:
        values = bytes(map(int, text.split()))
    except ValueError as error:
        raise ValueError(f"expected pixels of 0 to 255: {error}.") from None
    if len(values) != SIDE_PX**2:
        raise ValueError(f"expected {SIDE_PX**2} pixels, received {len(values)}.")
    return np.frombuffer(values, np.uint8).reshape(SIDE_PX, SIDE_PX)
