"""The one decoder, bounded by what the header says."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from fer_tf.picture import MAX_PIXELS
from fer_tf.picture import decode
from fer_tf.picture import encode_png

RNG = np.random.default_rng(0)


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


def huge_png():
    """A few hundred bytes that claim 20,000 x 20,000 pixels."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "header"),
        (encode_png(RNG.integers(0, 256, (64, 64, 3), np.uint8))[:60], "damaged"),
        (huge_png(), "20000x20000"),
    ],
    ids=["empty", "html", "truncated", "huge"],
)
def test_what_cannot_be_decoded_says_why(data, says):
    with pytest.raises(ValueError, match=says):
        decode(data)


def test_the_bound_lets_a_large_photograph_through():
    assert 7680 * 4320 < MAX_PIXELS
