"""What is remembered of each picture, to find it again among half a million."""

import tempfile

import numpy as np

from fer_tf.manifest import hashes

# A picture that was cropped is nearer to the inner part of its original. This much is
# left out on each side: a pixel of FER2013's 48.
INNER = 1 / 48
WAVES_OF_A_PICTURE = 5


class Sketches:
    """Waves in memory (320 bytes a picture), thumbnails in a file."""

    def __init__(self) -> None:
        self._waves = bytearray()
        self._thumbs = tempfile.TemporaryFile()

    def __len__(self) -> int:
        return len(self._waves) // (WAVES_OF_A_PICTURE * hashes.BITS)

    def __enter__(self) -> "Sketches":
        return self

    def __exit__(self, *error: object) -> None:
        self._thumbs.close()

    def add(self, pixels: np.ndarray) -> str:
        """Remember uint8 [height, width, 3], RGB; return its perceptual hash."""
        thumb, inner = hashes.thumbnail(pixels), hashes.thumbnail(_inner(pixels))
        whole = hashes.waves(thumb)
        self._waves += _quantised(whole, hashes.waves(inner), *hashes.tangents(thumb))
        self._thumbs.seek(0, 2)
        self._thumbs.write(thumb.tobytes())
        return hashes.perceptual(whole)

    def waves(self, rows: np.ndarray) -> np.ndarray:
        """Return some pictures' waves, int8 [len(rows), 5, 64].

        Of all of a picture, of its inner part, and the three tangents of the first,
        each scaled to the same length.
        """
        stored = np.frombuffer(self._waves, np.int8)
        return stored.reshape(-1, WAVES_OF_A_PICTURE, hashes.BITS)[rows]

    def thumbs(self, rows: np.ndarray) -> np.ndarray:
        """Return some pictures' thumbnails, uint8 [len(rows), 32, 32]."""
        size = hashes.THUMB_PX**2
        found = np.empty((len(rows), size), np.uint8)
        for place, row in enumerate(rows.tolist()):
            self._thumbs.seek(row * size)
            self._thumbs.readinto(found[place])
        return found.reshape(-1, hashes.THUMB_PX, hashes.THUMB_PX)


def _inner(pixels: np.ndarray) -> np.ndarray:
    rows, columns = (max(1, round(side * INNER)) for side in pixels.shape[:2])
    return pixels[rows:-rows, columns:-columns]


def _quantised(*waves: np.ndarray) -> bytes:
    found = np.stack(waves)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    scaled = 127 * found / np.maximum(length, 1e-6)
    return np.round(scaled).astype(np.int8).tobytes()
