"""The one decoder, bounded by what the header says."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_tf.picture import MAX_PIXELS
from fer_tf.picture import decode
from fer_tf.picture import decode_strict
from fer_tf.picture import encode_jpeg
from fer_tf.picture import encode_png

RNG = np.random.default_rng(0)


def gif(pixels):
    """Encode RGB as GIF."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "GIF")
    return file.getvalue()


def png(pixels):
    """Encode BGR or BGRA of eight or sixteen bits as PNG."""
    return cv2.imencode(".png", pixels)[1].tobytes()


NOISE = RNG.integers(0, 256, (40, 40, 3), np.uint8)
JPEG, PNG, GIF = encode_jpeg(NOISE), encode_png(NOISE), gif(NOISE)


def test_png_is_lossless_in_rgb():
    pixels = RNG.integers(0, 256, (5, 9, 3), np.uint8)
    np.testing.assert_array_equal(decode(encode_png(pixels)), pixels)


def test_grey_is_repeated():
    pixels = RNG.integers(0, 256, (5, 9), np.uint8)
    np.testing.assert_array_equal(decode(encode_png(pixels)), np.dstack([pixels] * 3))


def test_red_stays_red_in_jpeg():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 2] = 250  # OpenCV's order is BGR.
    data = cv2.imencode(".jpg", red)[1].tobytes()
    assert decode(data)[8, 8].argmax() == 0


def huge_png(side=20_000):
    """A few hundred bytes that claim `side` x `side` pixels."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", None),
        (b"<html>not found</html>", None),
        (encode_png(RNG.integers(0, 256, (64, 64, 3), np.uint8))[:60], None),
        (JPEG[: len(JPEG) * 97 // 100], None),
        (huge_png(), "40,000,000"),
        (huge_png(10_000), "10000x10000"),
    ],
    ids=["empty", "html", "truncated", "nearly all there", "huge", "large"],
)
@pytest.mark.parametrize("read", [decode, decode_strict])
def test_what_cannot_be_decoded_says_why(read, data, says):
    with pytest.raises(ValueError, match=says):
        read(data)


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (RNG.integers(0, 65536, (9, 9), np.uint16), r"\b16\b"),
        (RNG.integers(0, 65536, (9, 9, 3), np.uint16), r"\b16\b"),
        (RNG.integers(0, 256, (9, 9, 4), np.uint8), "RGBA"),
    ],
    ids=["grey of 16 bits", "colour of 16 bits", "transparency"],
)
def test_what_a_corpus_may_not_hold_can_still_be_looked_at(pixels, says):
    data = encode_png(pixels) if pixels.ndim == 2 else png(pixels)
    seen = decode(data)
    assert seen.shape == (9, 9, 3) and seen.dtype == np.uint8
    top = pixels if pixels.dtype == np.uint8 else pixels >> 8
    expected = np.dstack([top] * 3) if top.ndim == 2 else top[..., 2::-1]
    np.testing.assert_allclose(seen.astype(int), expected, atol=1)
    with pytest.raises(ValueError, match=says):
        decode_strict(data)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_its_first_frame_and_no_picture_of_a_corpus(kind):
    first, second = (np.full((16, 16, 3), level, np.uint8) for level in (9, 200))
    frames = [Image.fromarray(first), Image.fromarray(second)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    assert decode(file.getvalue()).max() < 30
    with pytest.raises(ValueError, match="animated"):
        decode_strict(file.getvalue())


def test_a_picture_is_turned_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # A quarter turn clockwise.
    file = io.BytesIO()
    Image.fromarray(np.zeros((10, 30, 3), np.uint8)).save(file, "JPEG", exif=exif)
    assert decode(file.getvalue()).shape == (30, 10, 3)


@pytest.mark.parametrize("seed", range(3))
def test_damage_of_any_kind_is_one_error(seed):
    """Bytes changed at random: a picture or a `ValueError`, and nothing else."""
    rng = np.random.default_rng(seed)
    for turn in range(600):
        data = bytearray((JPEG, PNG, GIF)[turn % 3])
        for place in rng.integers(0, (len(data), 60)[turn % 2], 4):
            data[place] = rng.integers(256)
        try:
            assert decode_strict(bytes(data)).dtype == np.uint8
        except ValueError as error:
            assert str(error)


def test_the_bound_lets_a_large_photograph_through():
    assert 7680 * 4320 < MAX_PIXELS
