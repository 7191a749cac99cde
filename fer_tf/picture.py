"""Encoded pictures to pixels: the one decoder, bounded by what the header says."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from PIL import Image
from PIL import ImageOps

MAX_PIXELS = 40_000_000
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
# What Pillow was seen to raise on files with random bytes changed.
DAMAGED = (
    EOFError,
    IndexError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
# A JPEG of the kind MPO holds further pictures, most often a smaller one of the same.
STILL_FORMATS = ("MPO",)
EIGHT_BIT_MODES = ("L", "RGB", "P")


def decode(data: bytes) -> np.ndarray:
    """Decode a PNG, JPEG or other picture to RGB, as it is meant to be seen.

    The header is read first: a small file can claim a picture that would fill the
    memory. Turned as its EXIF orientation says; of several frames the first.

    Returns:
        uint8 [height, width, 3], RGB; grey is repeated, transparency dropped, the
        lower half of 16 bits left out.

    Raises:
        ValueError: empty, not a picture, damaged, or over `MAX_PIXELS`.
    """
    with _opened(data) as image:
        return _pixels(image)


def decode_strict(data: bytes) -> np.ndarray:
    """Decode a picture that a corpus may hold: a still one of eight bits, no alpha.

    Returns:
        uint8 [height, width, 3], RGB; grey is repeated.

    Raises:
        ValueError: as `decode`; or animated, of 16 bits, or of two or four channels.
    """
    with _opened(data) as image:
        pixels = _pixels(image)
        if _frames(image) > 1:
            raise ValueError("the picture is animated, expected one frame.")
        if image.mode.startswith("I") or image.format == "PNG" and data[24] == 16:
            raise ValueError("the picture has 16 bits a channel, expected 8.")
        if image.mode not in EIGHT_BIT_MODES or "transparency" in image.info:
            transparent = ", transparent" if "transparency" in image.info else ""
            raise ValueError(
                f"the picture has the wrong channels: {image.mode}{transparent}, "
                "expected grey or RGB."
            )
        return pixels


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode grey uint8 [height, width] or RGB [height, width, 3] as PNG, lossless."""
    return _encode(".png", pixels)


def encode_jpeg(pixels: np.ndarray) -> bytes:
    """Encode as `encode_png` does, as JPEG of quality 95."""
    return _encode(".jpg", pixels)


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Yield the picture, only its header read; what goes wrong is a ValueError."""
    if not data:
        raise ValueError("the picture is empty (0 bytes).")
    try:
        with _without_warnings():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(
            f"the header says far more than {MAX_PIXELS:,} pixels."
        ) from None
    except DAMAGED:
        raise ValueError("the file's header is not that of a picture.") from None
    with image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(
                f"the header says {width}x{height} pixels, more than {MAX_PIXELS:,}."
            )
        yield image


@contextmanager
def _without_warnings() -> Iterator[None]:
    # Pillow warns of odd metadata, which is not looked at, and of large pictures, which
    # are refused anyway.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _named_damaged() -> Iterator[None]:
    try:
        with _without_warnings():
            yield
    except DAMAGED as error:
        raise ValueError(f"the picture is damaged: {error}.") from None


@_named_damaged()
def _pixels(image: Image.Image) -> np.ndarray:
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        high = np.asarray(upright, np.int64) >> 8
        return np.dstack([np.clip(high, 0, 255).astype(np.uint8)] * 3)
    return np.array(upright.convert("RGB"))


@_named_damaged()
def _frames(image: Image.Image) -> int:
    return 1 if image.format in STILL_FORMATS else getattr(image, "n_frames", 1)


def _encode(suffix: str, pixels: np.ndarray) -> bytes:
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix == ".jpg" else []
    done, data = cv2.imencode(suffix, pixels, quality)
    if not done:
        raise ValueError(f"pixels of shape {pixels.shape} cannot be encoded.")
    return data.tobytes()
