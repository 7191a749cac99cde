"""Encoded images opened: what the header says is checked before a pixel is decoded."""

import importlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image
from PIL import JpegImagePlugin
from PIL import features

from fer_tf.image_files import format_of

# Phones make 200 million pixels (16,384 x 12,288), as JPEG, which libjpeg reduces
# while it decodes. Of other formats every pixel is in memory at once.
MAX_PIXELS = 210_000_000
MAX_PIXELS_OF = {
    "AVIF": 60_000_000,
    "BMP": 100_000_000,
    "GIF": 60_000_000,
    "HEIF": 60_000_000,
    "JPEG": MAX_PIXELS,
    "PNG": 100_000_000,
    "TIFF": 100_000_000,
    "WEBP": 50_000_000,
}
# A row has a cost of its own: 1 x 39,999,999 pixels took 1.7 GB.
MAX_SIDE_PX = 65_535
# libjpeg holds all coefficients of a progressive image, two bytes each.
MAX_COEFFICIENT_BYTES = 600_000_000
# What Pillow and its plugins were seen to raise on files with random bytes changed.
DAMAGED = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Yield the image with only its header read; every fault is a ValueError."""
    if not data:
        raise ValueError("the file is empty (0 bytes).")
    name = format_of(data)
    if not name:
        raise ValueError("the file is not an image: its header is that of no format.")
    if name not in MAX_PIXELS_OF:
        raise ValueError(f"{name} images cannot be read: save it as PNG or JPEG.")
    try:
        with _without_warnings():
            image = _open(name, io.BytesIO(data))
    except Image.DecompressionBombError:
        raise ValueError(f"the {name} header announces far too many pixels.") from None
    except DAMAGED as error:
        if isinstance(error, _Missing):
            raise
        raise ValueError(f"the image's {name} header is damaged.") from None
    with image:
        _check_size(image, name, data)
        yield image


class _Missing(ValueError):
    """A format needs something that is not installed."""


def _open(name: str, file: io.BytesIO) -> Image.Image:
    if name == "JPEG":
        # `Image.open` has a bound of its own, which is under what phones make, and
        # looks for the further images of a file, of which only the first is read.
        return JpegImagePlugin.JpegImageFile(file)
    if name == "HEIF":
        try:
            return importlib.import_module("pillow_heif").HeifImageFile(file)
        except ImportError:
            raise _Missing(
                'HEIC images need pillow-heif: pip install "fer-tf[heif]", or save '
                "the image as JPEG."
            ) from None
    if name == "AVIF" and not ("avif" in features.modules and features.check("avif")):
        raise _Missing("AVIF images need Pillow 11.3 or newer: pip install -U pillow")
    return Image.open(file, formats=[name])


def _check_size(image: Image.Image, name: str, data: bytes) -> None:
    width, height = image.size
    if max(width, height) > MAX_SIDE_PX or not min(width, height):
        raise ValueError(
            f"the header says {width}x{height} pixels, expected sides of 1 to "
            f"{MAX_SIDE_PX:,}."
        )
    most = MAX_PIXELS_OF[name]
    if name == "JPEG" and _is_buffered(data):
        most = min(most, MAX_COEFFICIENT_BYTES // (2 * len(image.getbands())))
    if width * height > most:
        raise ValueError(
            f"the header says {width}x{height} pixels, more than {most:,}, which is "
            f"the limit for this kind of {name}."
        )


def _is_buffered(data: bytes) -> bool:
    """Return whether libjpeg decodes a JPEG only once all of it is in memory.

    It does for a progressive image, and for a sequential one in several scans.
    """
    at, components = 2, 0
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xDA:
            return at + 4 < len(data) and data[at + 4] < components
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            components = data[at + 9] if at + 9 < len(data) else 0
            if marker not in (0xC0, 0xC1):
                return True
        at += 2 + length
    # What is laid out otherwise is taken for the larger kind.
    return True


@contextmanager
def _without_warnings() -> Iterator[None]:
    # Pillow warns of odd metadata, which is not used, and of large images, which have
    # a bound of their own here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def named_damaged() -> Iterator[None]:
    try:
        with _without_warnings():
            yield
    except DAMAGED as error:
        raise ValueError(f"the image is damaged: {error}.") from None
