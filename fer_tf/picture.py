"""Encoded images to pixels: the one decoder, bounded by what the header says."""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image
from PIL import JpegImagePlugin

from fer_tf.image_header import named_damaged
from fer_tf.image_header import opened

# Decoded whole up to here; a larger image is reduced while it is decoded.
FULL_PIXELS = 40_000_000
BAND_PIXELS = 4_000_000
PLAIN_MODES = ("L", "RGB", "P")
ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
# Cameras write 10 or 12 bits into the low bits of 16. A 16-bit image whose largest
# value is so small would be black.
LOW_BITS = (8, 10, 12)
# EXIF's tag.
ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False)
class Decoded:
    """An image as it is meant to be seen.

    Attributes:
        pixels: uint8 [height, width, 3], RGB.
        scale: Pixels of the file per pixel of `pixels`: 1.0, or more where the image
            was reduced while it was decoded.
        converted: What the pixels were converted from, such as "CMYK" or "RGBA"; ""
            for gray, palette and RGB images of eight bits.
    """

    pixels: np.ndarray
    scale: float = 1.0
    converted: str = ""


def decode(data: bytes) -> np.ndarray:
    """Return the pixels of `read`, uint8 [height, width, 3], RGB.

    Raises:
        ValueError: The data is empty, not an image, damaged, or too large.
    """
    return read(data).pixels


def read(data: bytes) -> Decoded:
    """Decode an image to RGB as a viewer shows it.

    The header is read first: a small file can announce an image that would fill the
    memory. The image is turned as its EXIF orientation says; of several frames the
    first is taken. Transparent parts are white. Gray of 16 bits and of floating-point
    numbers is scaled to eight bits. An image of more than `FULL_PIXELS` is reduced.

    Raises:
        ValueError: The data is empty, not an image, damaged, or too large.
    """
    with opened(data) as image:
        return _decoded(image, data)


def read_still(data: bytes) -> Decoded:
    """Decode an image that a corpus may hold: `read`, of a file with one frame.

    Raises:
        ValueError: The data is empty, not an image, damaged, too large, or animated.
    """
    with opened(data) as image:
        decoded = _decoded(image, data)
        if _frames(image) > 1:
            raise ValueError("the image is animated, expected one frame.")
        return decoded


def eight_bits(pixels: np.ndarray, peak: float) -> np.ndarray:
    """Return gray or color values of any type as uint8, of the same shape.

    Integers of more than eight bits are divided by the smallest power of two that the
    peak allows, of those that cameras use: 8, 10, 12 or 16 bits. Floating-point values
    are taken as 0..1, 0..255 or 0..65535, whichever the peak fits.

    Args:
        pixels: Integer or floating-point values, finite.
        peak: The largest value of the whole image.

    Raises:
        ValueError: The peak is not finite, or above 65535.
    """
    if not peak <= 65_535:
        raise ValueError(f"the largest value is {peak:g}, expected at most 65535.")
    if np.issubdtype(pixels.dtype, np.floating):
        factor = 255.0 if peak <= 1 else 1.0 if peak <= 255 else 1 / 257
        return np.clip(np.rint(pixels * factor), 0, 255).astype(np.uint8)
    bits = next((bits for bits in LOW_BITS if peak < 1 << bits), 16)
    return (np.clip(pixels, 0, 65_535).astype(np.uint16) >> (bits - 8)).astype(np.uint8)


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode gray uint8 [height, width] or RGB [height, width, 3] as PNG, lossless."""
    return _encode(".png", pixels)


def encode_jpeg(pixels: np.ndarray) -> bytes:
    """Encode as `encode_png` does, as JPEG of quality 95."""
    return _encode(".jpg", pixels)


@named_damaged()
def _decoded(image: Image.Image, data: bytes) -> Decoded:
    side = max(image.size)
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        factor = _reduction(image)
        image.draft(None, (image.width // factor, image.height // factor))
    image.load()
    bits = _bits(image, data)
    converted = _conversion(image, bits)
    pixels = _upright(_rgb(image, _reduction(image)), image.getexif().get(ORIENTATION))
    if bits > 8 and image.mode[0] not in "IF" and pixels.max() < 1 << 4:
        # Pillow reads colors of 16 bits by their upper eight.
        raise ValueError(f"the upper bits of its {bits}-bit colors are all but zero")
    scale = side / max(pixels.shape[:2])
    return Decoded(pixels, scale, converted)


def _reduction(image: Image.Image) -> int:
    """Return the power of two by which the sides are divided to fit `FULL_PIXELS`."""
    factor = 1
    while -(-image.width // factor) * -(-image.height // factor) > FULL_PIXELS:
        factor *= 2
    return factor


def _upright(pixels: np.ndarray, orientation: object) -> np.ndarray:
    """Turn and mirror pixels as EXIF's orientation 1 to 8 says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _bits(image: Image.Image, data: bytes) -> int:
    """Return the bits of a channel, of the formats that can have more than eight."""
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (8,)))
    return 8


def _conversion(image: Image.Image, bits: int) -> str:
    """Return what `Decoded.converted` says of an image."""
    name = image.mode
    if name.startswith("I"):
        name = f"{max(bits, 16)}-bit gray"
    elif name == "F":
        name = "floating-point gray"
    elif bits > 8:
        name = f"{bits}-bit {name}"
    if "transparency" in image.info:
        return f"{name} with transparency"
    return "" if name in PLAIN_MODES else name


def _rgb(image: Image.Image, factor: int) -> np.ndarray:
    """Return an image as RGB, its sides divided by `factor`.

    It is converted in bands of rows: a conversion of the whole would need its memory
    once more.
    """
    width, height = image.size
    peak = image.getextrema()[1] if image.mode[0] in "IF" else 0
    reduced = -(-width // factor)
    pixels = np.empty((-(-height // factor), reduced, 3), np.uint8)
    rows = max(BAND_PIXELS // width // factor, 1) * factor
    for top in range(0, height, rows):
        end = min(top + rows, height)
        whole = end - top == height
        band = _band(image if whole else image.crop((0, top, width, end)), peak)
        part = pixels[top // factor : -(-end // factor)]
        if factor > 1:
            cv2.resize(band, (reduced, len(part)), part, interpolation=cv2.INTER_AREA)
        else:
            part[:] = band
    return pixels


def _band(image: Image.Image, peak: float) -> np.ndarray:
    """Return an image as RGB [height, width, 3]; `peak` is the whole image's."""
    if image.mode[0] in "IF":
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise ValueError("some of its values are not finite")
        return np.dstack([eight_bits(values, peak)] * 3)
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


@named_damaged()
def _frames(image: Image.Image) -> int:
    # Further images of a HEIF file are other shots, depth maps and thumbnails.
    return 1 if image.format == "HEIF" else getattr(image, "n_frames", 1)


def _encode(suffix: str, pixels: np.ndarray) -> bytes:
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix == ".jpg" else []
    done, data = cv2.imencode(suffix, pixels, quality)
    if not done:
        raise ValueError(f"pixels of shape {pixels.shape} cannot be encoded.")
    return data.tobytes()
