"""Publishers' label files to rows, and their cells to numbers."""

import codecs
import csv
import io
import math
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from fer_tf import image_files
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError

# Beyond any picture's pixels and any crowd's votes.
MOST = 1e9
DELIMITERS = ",;\t"
# Enough for the signature of a tar archive.
HEAD_BYTES = 512
ARCHIVES = {
    b"\x1f\x8b": "a gzip archive",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
}


class Ragged(list[str]):
    """The cells of a CSV row that has more or fewer of them than the header."""

    expected = 0


def csv_rows(path: Path, header: Sequence[str]) -> Iterator[list[str]]:
    """Yield the cells of each row of a CSV file, one row at a time.

    The file's columns may be in any order, with other columns besides; their names are
    compared without case and surrounding spaces. Commas, semicolons and tabs part
    cells, as spreadsheets of different countries write them.

    Returns:
        Cells in the order of `header`; a `Ragged` row where their number is wrong.

    Raises:
        UserError: The file is missing, is not a text, or lacks a column of `header`.
    """
    with _opened(path) as file:
        rows = _reader(file)
        received = [_plain(cell) for cell in next(rows, [])]
        wanted = [_plain(name) for name in header]
        if any(received.count(name) != 1 for name in wanted):
            raise UserError(
                f"{path}: expected the columns {','.join(header)}, "
                f"received {','.join(received)[:200]!r}."
            )
        places = [received.index(name) for name in wanted]
        for row in rows:
            if len(row) == len(received):
                yield [row[place] for place in places]
            else:
                ragged = Ragged(row)
                ragged.expected = len(received)
                yield ragged


def csv_header(path: Path) -> list[str]:
    """Return the names of a CSV file's columns, in lower case, without spaces around.

    Raises:
        UserError: The file is missing or is not a text.
    """
    with _opened(path) as file:
        return [_plain(cell) for cell in next(_reader(file), [])]


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each line of a label file without a header, and its row, counted from 0.

    An empty line is no row.

    Raises:
        UserError: The file is missing or is not a text.
    """
    with _opened(path) as file:
        for row, line in enumerate(file):
            if line.strip():
                yield row, line.strip()


def cells(values: Sequence[str], count: int) -> Sequence[str]:
    """Return `values`.

    Raises:
        ValueError: there are not `count` of them, or the row is a `Ragged` one.
    """
    expected = values.expected if isinstance(values, Ragged) else count
    if len(values) != expected:
        raise ValueError(f"expected {expected} cells, received {len(values)}.")
    return values


def number(cell: str) -> float:
    """Return the number in a cell.

    Raises:
        ValueError: it is a word, NaN, infinite, or beyond `MOST`.
    """
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not abs(value) <= MOST:
        raise ValueError(f"expected a number, received {cell[:40]!r}.")
    return value


def votes(counts: Sequence[str]) -> tuple[int, ...]:
    """Return crowd votes; ValueError where one is no whole number of 0 or more."""
    values = [number(count) for count in counts]
    if min(values) < 0 or any(value != int(value) for value in values):
        raise ValueError(
            f"expected votes of 0 or more, received {' '.join(counts)[:80]!r}."
        )
    return tuple(int(value) for value in values)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a text file as UTF-8, or as UTF-16 where its first bytes say so."""
    try:
        with image_files.open_regular(path) as file:
            head = file.read(HEAD_BYTES)
            if kind := _archive(head):
                raise UserError(
                    f"{path} is {kind}, expected a text file. Extract it, and put what "
                    "it holds in its place."
                )
            file.seek(0)
            utf_16 = head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            encoding = "utf-16" if utf_16 else "utf-8-sig"
            with io.TextIOWrapper(file, encoding=encoding, newline="") as text:
                yield text
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except (UnicodeError, csv.Error) as error:
        raise UserError(
            f"{path} is not readable as text: {error}. Save it as UTF-8."
        ) from None
    except OutsideError:
        raise
    except OSError as error:
        raise OutsideError(f"{path} cannot be read: {error.strerror}.") from None


def _archive(head: bytes) -> str:
    """Return which kind of archive a file is, with its article; "" if it is none."""
    for signature, kind in ARCHIVES.items():
        if head.startswith(signature):
            return kind
    return "a tar archive" if head[257:262] == b"ustar" else ""


def _reader(file: TextIO) -> Iterator[list[str]]:
    """Return a CSV reader by the delimiter that the first line has most of."""
    first = file.readline()
    file.seek(0)
    delimiter = max(DELIMITERS, key=first.count)
    return csv.reader(file, delimiter=delimiter, skipinitialspace=True)


def _plain(name: str) -> str:
    return name.strip().lower()
