"""What is remembered of each picture, to find it again among half a million."""

import os
import tempfile
from typing import BinaryIO

import numpy as np

from fer_tf.manifest import hashes

# A picture that was cropped is nearer to the inner part of its original. This much is
# left out on each side: a pixel of FER2013's 48.
INNER = 1 / 48
WAVES_OF_A_PICTURE = 5


class Sketches:
    """Waves and thumbnails, in files of their own: nothing grows in memory."""

    def __init__(self) -> None:
        self._count = 0
        self._waves = tempfile.TemporaryFile()
        self._thumbs = tempfile.TemporaryFile()

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> "Sketches":
        return self

    def __exit__(self, *error: object) -> None:
        self._waves.close()
        self._thumbs.close()

    def add(self, pixels: np.ndarray) -> str:
        """Remember uint8 [height, width, 3], RGB; return its perceptual hash."""
        thumb, inner = hashes.thumbnail(pixels), hashes.thumbnail(_inner(pixels))
        whole = hashes.waves(thumb)
        found = _quantised(whole, hashes.waves(inner), *hashes.tangents(thumb))
        for file, content in ((self._waves, found), (self._thumbs, thumb)):
            file.seek(0, os.SEEK_END)
            file.write(content.tobytes())
        self._count += 1
        return hashes.perceptual(whole)

    def waves(self, rows: np.ndarray) -> np.ndarray:
        """Return some pictures' waves, int8 [len(rows), 5, 64].

        Of all of a picture, of its inner part, and the three tangents of the first,
        each scaled to the same length.
        """
        return _read(self._waves, rows, (WAVES_OF_A_PICTURE, hashes.BITS), np.int8)

    def thumbs(self, rows: np.ndarray) -> np.ndarray:
        """Return some pictures' thumbnails, uint8 [len(rows), 32, 32]."""
        return _read(self._thumbs, rows, (hashes.THUMB_PX, hashes.THUMB_PX), np.uint8)


def _read(
    file: BinaryIO, rows: np.ndarray, shape: tuple[int, int], kind: type
) -> np.ndarray:
    found = np.empty((len(rows), *shape), kind)
    for place, row in enumerate(rows.tolist()):
        file.seek(row * found[place].nbytes)
        file.readinto(found[place])
    return found


def _inner(pixels: np.ndarray) -> np.ndarray:
    rows, columns = (max(1, round(side * INNER)) for side in pixels.shape[:2])
    return pixels[rows:-rows, columns:-columns]


def _quantised(*waves: np.ndarray) -> np.ndarray:
    found = np.stack(waves)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.round(127 * found / np.maximum(length, 1e-6)).astype(np.int8)
