"""Publishers' label files to rows, and their cells to numbers."""

import csv
import math
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError

# Beyond any picture's pixels and any crowd's votes.
MOST = 1e9


def csv_rows(path: Path, header: Sequence[str]) -> Iterator[list[str]]:
    """Yield the cells of each row of a CSV file, one row at a time.

    Raises:
        UserError: the file is missing or no text, or its header is another.
    """
    with _readable(path), path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        received = next(rows, [])
        if received != list(header):
            raise UserError(
                f"{path}: expected the header {','.join(header)}, "
                f"received {','.join(received)[:200]!r}."
            )
        yield from rows


def csv_header(path: Path) -> list[str]:
    """Return the cells of a CSV file's first row; errors as in `csv_rows`."""
    with _readable(path), path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each line of a label file without a header, and its row, counted from 0.

    An empty line is no row.

    Raises:
        UserError: the file is missing or no text.
    """
    with _readable(path), path.open(encoding="utf-8-sig") as file:
        for row, line in enumerate(file):
            if line.strip():
                yield row, line.strip()


def cells(values: Sequence[str], count: int) -> Sequence[str]:
    """Return `values`.

    Raises:
        ValueError: there are not `count` of them.
    """
    if len(values) != count:
        raise ValueError(f"expected {count} cells, received {len(values)}.")
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
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not readable as text: {error}.") from None
    except OSError as error:
        raise OutsideError(f"{path} cannot be read: {error.strerror}.") from None
