"""Encoded pictures to pixels: the one decoder, bounded by what the header says."""

import io

import cv2
import imagesize
import numpy as np

MAX_PIXELS = 40_000_000


def decode(data: bytes) -> np.ndarray:
    """Decode a PNG, JPEG or other picture to RGB.

    The header is read first: a small file can claim a picture that would fill the
    memory.

    Returns:
        uint8 [height, width, 3], RGB; grey is repeated, transparency dropped.

    Raises:
        ValueError: empty, not a picture, damaged, or over `MAX_PIXELS`.
    """
    if not data:
        raise ValueError("the picture is empty (0 bytes).")
    width, height = imagesize.get(io.BytesIO(data))
    if width <= 0 or height <= 0:
        raise ValueError("the file's header is not that of a picture.")
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"the header says {width}x{height} pixels, more than {MAX_PIXELS:,}."
        )
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError("the picture is damaged: it cannot be decoded.")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode grey uint8 [height, width] or RGB [height, width, 3] as PNG, lossless."""
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", pixels)
    if not done:
        raise ValueError(f"pixels of shape {pixels.shape} cannot be encoded as PNG.")
    return data.tobytes()
