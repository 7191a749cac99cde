"""Pictures by what they show: an exact hash of the pixels, and forgiving ones."""

import hashlib

import cv2
import numpy as np

THUMB_PX = 32
BITS = 64
# Blurred a little, a picture of few pixels has a slope everywhere.
SLOPE_BLUR_PX = 1.0


def _slowest(count: int) -> np.ndarray:
    """Return the `count` lowest frequencies of a cosine transform, [count, 2]."""
    grid = np.indices((16, 16)).reshape(2, -1).T[1:]
    order = np.lexsort((grid[:, 1], grid[:, 0], (grid**2).sum(axis=1)))
    return grid[order[:count]]


# Without the very lowest, the mean brightness, which says nothing of what is shown.
FREQUENCIES = _slowest(BITS)
# In a mirrored picture, waves that are odd from left to right change their sign.
MIRRORED = np.where(FREQUENCIES[:, 1] % 2, -1, 1).astype(np.int8)


def sha256_of_pixels(pixels: np.ndarray) -> str:
    """Return the SHA-256 of uint8 [height, width, 3], its shape counted in.

    Two files of the same picture, a PNG and a BMP say, have the same.
    """
    shape = np.array(pixels.shape, "<i8").tobytes()
    return hashlib.sha256(shape + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 [height, width, 3], RGB, as grey uint8 [32, 32]."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    how = cv2.INTER_AREA if min(grey.shape) > THUMB_PX else cv2.INTER_LINEAR
    return cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=how)


def waves(thumb: np.ndarray) -> np.ndarray:
    """Return the 64 slowest waves of a grey picture [32, 32], float32 [64].

    They are coefficients of its cosine transform. Noise, size and encoding change them
    little, light and contrast little but for their common length.
    """
    found = cv2.dct(thumb.astype(np.float32))
    return found[FREQUENCIES[:, 0], FREQUENCIES[:, 1]]


def tangents(thumb: np.ndarray) -> np.ndarray:
    """Return how the waves change as the picture is moved or enlarged, float32 [3, 64].

    Along x, along y, and outwards from the middle: small changes of framing lead to a
    sum of these (Simard et al. 1998, tangent distance).
    """
    smooth = cv2.GaussianBlur(thumb.astype(np.float32), (0, 0), SLOPE_BLUR_PX)
    along_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    along_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    y, x = np.mgrid[:THUMB_PX, :THUMB_PX].astype(np.float32) - (THUMB_PX - 1) / 2
    return np.stack(
        [waves(slope) for slope in (along_x, along_y, x * along_x + y * along_y)]
    )


def perceptual(found: np.ndarray) -> str:
    """Return the signs of a picture's `waves`, 64 bits in hexadecimal."""
    return np.packbits(found > 0).tobytes().hex()
