"""Pictures by what they show: an exact hash of the pixels and a forgiving one."""

import hashlib

import cv2
import numpy as np


def sha256_of_pixels(pixels: np.ndarray) -> str:
    """Return the SHA-256 of uint8 [height, width, 3], its shape counted in.

    Two files of the same picture, a PNG and a BMP say, have the same.
    """
    shape = np.array(pixels.shape, "<i8").tobytes()
    return hashlib.sha256(shape + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def perceptual(pixels: np.ndarray) -> str:
    """Return 64 bits in hexadecimal: the signs of a picture's slowest waves.

    The picture is made grey and 32x32, its cosine transform's 8x8 lowest frequencies
    are compared with their median. Light, contrast, noise and size change few bits.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA)
    slow = cv2.dct(small)[:8, :8].ravel()
    # The first is the mean brightness, which says nothing of what is shown.
    slow[0] = 0
    return np.packbits(slow > np.median(slow)).tobytes().hex()
