"""Crops on disk, so that every later stage and command finds them decoded.

A folder holds them in two flat files, and indexes to find them by:

    pixels.u8     all crops' pixels, one after the other
    plain.u8      all plain pictures' pixels
    pixels.npy    int64 [n, 4]: each crop's offset, height, width and channels
    plain.npy     the same of the plain pictures
    squares.npy   float64 [n, 4]: each crop's square
    index.json    size and CRC-32 of each of these files

They are mapped, not read: a corpus of any size takes no memory of its own. A folder is
written under another name and renamed when it is whole. Each file's CRC-32 is verified
before a crop is taken from it, and a damaged folder is made again: it is only a cache.
It can be deleted at any time. What a killed command leaves, the next one removes.
"""

import contextlib
import logging
import tempfile
import zlib
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_tf import files
from fer_tf import leftovers
from fer_tf.data.crops import Crop
from fer_tf.errors import OutsideError

log = logging.getLogger(__name__)

INDEX = "index.json"
FILES = ("pixels.u8", "plain.u8", "pixels.npy", "plain.npy", "squares.npy")
CHUNK = 1 << 16


class Crops(Sequence[Crop]):
    """The crops in a folder, or some of them; each is mapped when it is asked for.

    Args:
        folder: what `write` wrote.
        rows: int [m], which crops, in that order; None for all.

    Raises:
        ValueError: the folder is damaged.
        OSError: it is not there.
    """

    def __init__(self, folder: Path, rows: np.ndarray | None = None) -> None:
        self._folder = folder
        self._pixels = _Packed(folder / "pixels")
        self._plain = _Packed(folder / "plain")
        self._squares = np.load(folder / "squares.npy", mmap_mode="r")
        count = len(self._squares)
        if not len(self._pixels) == len(self._plain) == count:
            raise ValueError(f"the files in {folder} are of different lengths.")
        self._rows = np.arange(count) if rows is None else np.asarray(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Crop:
        row = self._rows[place]
        square = tuple(self._squares[row].tolist())
        return Crop(self._pixels[row], square, self._plain[row])

    def take(self, places: np.ndarray) -> "Crops":
        """Return the crops at these places, in that order."""
        return Crops(self._folder, self._rows[places])


class _Packed:
    """Pictures of any sizes in one flat file."""

    def __init__(self, stem: Path) -> None:
        self._index = np.load(stem.with_suffix(".npy"), mmap_mode="r")
        if self._index.dtype != np.int64 or self._index.shape[1:] != (4,):
            raise ValueError(f"{stem.with_suffix('.npy')} is no index of pictures.")
        data = stem.with_suffix(".u8")
        expected = self._index[:, 1:].prod(axis=1).sum()
        if data.stat().st_size != expected:
            raise ValueError(
                f"{data} has {data.stat().st_size} bytes, expected {expected}."
            )
        # A plain array over the map: slicing a `np.memmap` takes ten times as long.
        self._data = np.asarray(np.memmap(data, np.uint8, mode="r"))

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, row: int) -> np.ndarray:
        offset, height, width, channels = self._index[row].tolist()
        shape = (height, width) if channels == 1 else (height, width, channels)
        return self._data[offset : offset + height * width * channels].reshape(shape)


def find(folder: Path, count: int) -> Crops | None:
    """Return the `count` crops in a folder; None if it lacks them.

    A damaged folder lacks them too, and a warning says so.
    """
    if not folder.exists():
        return None
    try:
        return _found(folder, count)
    except (*files.DAMAGED, OSError) as error:
        log.warning("The crops are made again, because of damage: %s", error)
        return None


def _found(folder: Path, count: int) -> Crops | None:
    _verify(folder)
    crops = Crops(folder)
    return crops if len(crops) == count else None


def _verify(folder: Path) -> None:
    """Raise UserError or OSError unless each file is as it was written."""
    with files.reading(folder, "a folder of crops", "It can be deleted."):
        expected = files.read_json(folder / INDEX)
        for name in FILES:
            if _checksum(folder / name) != expected[name]:
                raise ValueError(f"{name} is not as it was written")


def _checksum(path: Path) -> dict[str, int]:
    # A CRC finds every damage that is no attack, many times as fast as SHA-256.
    crc, size = 0, 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
    return {"bytes": size, "crc32": crc}


def write(folder: Path, crops: Iterable[tuple[int, Crop]], count: int) -> Crops:
    """Write `count` crops, each given with its row, in any order; return them.

    Raises:
        ValueError: some rows have no crop.
        OutsideError: the disk is full or must not be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        leftovers.remove(folder.parent)
        with tempfile.TemporaryDirectory(
            prefix=leftovers.prefix(), dir=folder.parent, ignore_cleanup_errors=True
        ) as temporary:
            whole = Path(temporary, folder.name)
            whole.mkdir()
            _write(whole, crops, count)
            _put_in_place(whole, folder, count)
    except OSError as error:
        raise OutsideError(f"crops cannot be kept in {folder}: {error}") from None
    return Crops(folder)


def _write(folder: Path, crops: Iterable[tuple[int, Crop]], count: int) -> None:
    squares = np.full((count, 4), np.nan)
    with (
        _Packing(folder / "pixels", count) as pixels,
        _Packing(folder / "plain", count) as plain,
    ):
        for row, crop in crops:
            pixels.put(row, crop.pixels)
            plain.put(row, crop.plain)
            squares[row] = crop.square_xywh_px
    if np.isnan(squares).any():
        row = np.isnan(squares).any(axis=1).argmax()
        raise ValueError(f"expected {count} crops, received none for row {row}.")
    np.save(folder / "squares.npy", squares)
    files.write_json(
        folder / INDEX, {name: _checksum(folder / name) for name in FILES}
    )


class _Packing:
    """Writes what `_Packed` reads."""

    def __init__(self, stem: Path, count: int) -> None:
        self._stem = stem
        self._index = np.zeros((count, 4), np.int64)
        self._end = 0

    def __enter__(self) -> "_Packing":
        self._file = open(self._stem.with_suffix(".u8"), "wb")
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        np.save(self._stem.with_suffix(".npy"), self._index)

    def put(self, row: int, picture: np.ndarray) -> None:
        """Append the picture of a row."""
        channels = 1 if picture.ndim == 2 else picture.shape[2]
        self._index[row] = (self._end, *picture.shape[:2], channels)
        self._file.write(np.ascontiguousarray(picture).data)
        self._end += picture.size


def _put_in_place(whole: Path, folder: Path, count: int) -> None:
    if folder.exists():
        # Another command was writing the same crops, and was quicker.
        with contextlib.suppress(*files.DAMAGED, OSError):
            if _found(folder, count):
                return
        folder.rename(whole.with_name("damaged"))
    whole.rename(folder)
