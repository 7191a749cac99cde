"""The one decoder, bounded by what the header says."""

import io
import re
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_tf import image_header
from fer_tf import picture
from fer_tf.picture import decode
from fer_tf.picture import encode_jpeg
from fer_tf.picture import encode_png
from fer_tf.picture import read
from fer_tf.picture import read_still

RNG = np.random.default_rng(0)


def saved(pixels, kind, mode=None, **options):
    """Encode an array with Pillow, after a conversion to `mode`."""
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def png(pixels):
    """Encode BGR or BGRA of eight or sixteen bits as PNG."""
    return cv2.imencode(".png", pixels)[1].tobytes()


NOISE = RNG.integers(0, 256, (40, 40, 3), np.uint8)
JPEG, PNG, GIF = encode_jpeg(NOISE), encode_png(NOISE), saved(NOISE, "GIF")


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


def chunk(kind, data):
    """Return a chunk of a PNG file."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def claiming(width, height):
    """Return a PNG of a few hundred bytes that claims `width` x `height` pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def jpeg_claiming(width, height, frame=0xC0, components=3, scan=None):
    """Return a JPEG header that claims a size; `scan` components in its first scan."""
    scan = components if scan is None else scan
    parts = b"".join(bytes([n + 1, 0x11, 0]) for n in range(components))
    sizes = struct.pack(">BHHB", 8, height, width, components) + parts
    data = b"\xff\xd8\xff" + bytes([frame]) + struct.pack(">H", len(sizes) + 2) + sizes
    scans = bytes([scan]) + b"".join(bytes([n + 1, 0]) for n in range(scan)) + b"\0?\0"
    return data + b"\xff\xda" + struct.pack(">H", len(scans) + 2) + scans


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>not found</html>",
        b"BM as a text may begin, and go on for quite some time",
        encode_png(RNG.integers(0, 256, (64, 64, 3), np.uint8))[:60],
        JPEG[: len(JPEG) * 97 // 100],
        claiming(20_000, 20_000),
        claiming(10_100, 10_000),
        claiming(1, 39_999_999),
        claiming(65_536, 10),
        jpeg_claiming(65_535, 65_535),
        jpeg_claiming(14_500, 14_500),
        jpeg_claiming(12_000, 9_000, frame=0xC2),
        jpeg_claiming(12_000, 9_000, scan=1),
    ],
)
@pytest.mark.parametrize("function", [read, read_still])
def test_what_is_no_image_or_too_large_is_a_value_error(function, data):
    with pytest.raises(ValueError):
        function(data)


@pytest.mark.parametrize(
    ("data", "allowed"),
    [
        (jpeg_claiming(16_384, 12_288), True),
        (jpeg_claiming(9_900, 9_900, frame=0xC2), True),
        (jpeg_claiming(9_900, 9_900, scan=1), True),
        (jpeg_claiming(16_384, 12_288, frame=0xC2), False),
        (jpeg_claiming(16_384, 12_288, scan=1), False),
        (jpeg_claiming(9_900, 9_900, frame=0xC2, components=4), False),
        (claiming(8_064, 6_048), True),
        (claiming(65_535, 600), True),
    ],
)
def test_the_bound_depends_on_the_memory_that_decoding_takes(data, allowed):
    """The header alone decides: nothing follows it here, so all fail as damaged."""
    with pytest.raises(ValueError) as caught:
        read(data)
    assert bool(re.search(r"\d+x\d+", str(caught.value))) is not allowed


def test_an_image_beyond_full_size_is_reduced(monkeypatch):
    monkeypatch.setattr(picture, "FULL_PIXELS", 40 * 50)
    gray = np.add.outer(np.arange(120), np.arange(0, 160) / 2).astype(np.uint8)
    ramp = np.dstack([gray] * 3)
    for data in (encode_jpeg(ramp), encode_png(ramp)):
        decoded = read(data)
        assert decoded.pixels.shape == (30, 40, 3) and decoded.scale == 4
        expected = cv2.resize(ramp, (40, 30), interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(decoded.pixels - expected).max() <= 3


def test_bands_of_rows_change_nothing(monkeypatch):
    whole = [read(data).pixels for data in (PNG, JPEG, GIF)]
    monkeypatch.setattr(picture, "BAND_PIXELS", 3 * NOISE.shape[1])
    for pixels, data in zip(whole, (PNG, JPEG, GIF), strict=True):
        np.testing.assert_array_equal(read(data).pixels, pixels)


def test_a_plain_image_is_not_converted():
    for data in (PNG, JPEG, GIF, encode_png(NOISE[..., 0])):
        assert (read(data).converted, read(data).scale) == ("", 1.0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparent_is_white_and_opaque_is_as_it_was(kind):
    rgba = np.dstack([NOISE, np.full(NOISE.shape[:2], 255, np.uint8)])
    rgba[:20, :, 3] = 0
    rgba[0, 0] = (100, 0, 255, 51)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    decoded = read_still(saved(rgba, kind, **options))
    assert decoded.converted == "RGBA"
    assert (decoded.pixels[1:20] == 255).all()
    np.testing.assert_array_equal(decoded.pixels[20:], NOISE[20:])
    # A fifth of the color and four fifths of white.
    first = decoded.pixels[0, 0].astype(int)
    np.testing.assert_allclose(first, (224, 204, 255), atol=1)


def test_gray_with_alpha_and_palette_with_transparency_are_over_white():
    gray = np.array([[10, 200], [10, 200]], np.uint8)
    alpha = np.array([[255, 255], [0, 0]], np.uint8)
    image = Image.merge("LA", [Image.fromarray(gray), Image.fromarray(alpha)])
    file = io.BytesIO()
    image.save(file, "PNG")
    decoded = read(file.getvalue())
    assert decoded.converted == "LA"
    np.testing.assert_array_equal(decoded.pixels[..., 0], [[10, 200], [255, 255]])
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 200, 9, 9, 9])
    palette.putdata([0, 1])
    file = io.BytesIO()
    palette.save(file, "PNG", transparency=1)
    decoded = read(file.getvalue())
    assert decoded.converted == "P with transparency"
    np.testing.assert_array_equal(decoded.pixels[0], [[0, 0, 200], [255, 255, 255]])


def test_cmyk_looks_as_it_did_before_it_was_saved_for_print():
    flat = np.zeros((16, 48, 3), np.uint8)
    flat[:, :16], flat[:, 16:32], flat[:, 32:] = (200, 30, 40), (255, 255, 255), 0
    decoded = read_still(saved(flat, "JPEG", "CMYK", quality=95))
    assert decoded.converted == "CMYK"
    np.testing.assert_allclose(
        decoded.pixels[8, [8, 24, 40]].astype(int), flat[8, [8, 24, 40]], atol=6
    )
    assert read(saved(flat, "TIFF", "CMYK")).converted == "CMYK"


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_gray_of_more_bits_uses_the_range_that_it_has(kind, bits):
    ramp = np.linspace(0, (1 << bits) - 1, 256).astype(np.uint16).reshape(16, 16)
    decoded = read_still(saved(ramp, kind))
    assert decoded.converted == "16-bit gray"
    expected = np.arange(256).reshape(16, 16)
    np.testing.assert_allclose(decoded.pixels[..., 0].astype(int), expected, atol=1)


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_floating_point_gray_is_scaled(top):
    ramp = np.linspace(0, top, 256, dtype=np.float32).reshape(16, 16)
    decoded = read_still(saved(ramp, "TIFF"))
    assert decoded.converted == "floating-point gray"
    expected = np.arange(256).reshape(16, 16)
    np.testing.assert_allclose(decoded.pixels[..., 1].astype(int), expected, atol=1)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_floating_point_values_of_no_known_range_are_refused(value):
    pixels = np.full((8, 8), 0.5, np.float32)
    pixels[3, 3] = value
    with pytest.raises(ValueError):
        read(saved(pixels, "TIFF"))


def test_colors_of_sixteen_bits_are_read_or_refused_and_never_black():
    pixels = RNG.integers(0, 65536, (9, 9, 3), np.uint16)
    decoded = read_still(png(pixels))
    assert decoded.converted == "16-bit RGB"
    np.testing.assert_allclose(
        decoded.pixels.astype(int), pixels[..., ::-1] >> 8, atol=1
    )
    with pytest.raises(ValueError):
        read(png(pixels >> 4))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_its_first_frame_and_no_image_of_a_corpus(kind):
    first, second = (np.full((16, 16, 3), level, np.uint8) for level in (9, 200))
    frames = [Image.fromarray(first), Image.fromarray(second)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    assert decode(file.getvalue()).max() < 30
    with pytest.raises(ValueError, match="animated"):
        read_still(file.getvalue())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_camera_says(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    # White at the top left and gray at the top right, as it lies in the file.
    flat = np.zeros((16, 32, 3), np.uint8)
    flat[:8, :8], flat[:8, 24:] = 255, 128
    pixels = decode(saved(flat, kind, exif=exif))
    corners = pixels[[2, 2, -3, -3], [2, -3, 2, -3], 0]
    # Where EXIF's table says that the file's first row and column are seen.
    expected = {
        1: (255, 128, 0, 0),
        2: (128, 255, 0, 0),
        3: (0, 0, 128, 255),
        4: (0, 0, 255, 128),
        5: (255, 0, 128, 0),
        6: (0, 255, 0, 128),
        7: (0, 128, 0, 255),
        8: (128, 0, 255, 0),
    }[orientation]
    np.testing.assert_allclose(corners.astype(int), expected, atol=8)


def test_the_second_image_of_a_jpeg_changes_nothing():
    """Phones append a depth map or a gain map."""
    file = io.BytesIO()
    images = [Image.new("RGB", (16, 16), color) for color in ("white", "black")]
    images[0].save(file, "MPO", save_all=True, append_images=images[1:])
    assert read_still(file.getvalue()).pixels.min() > 250


def test_avif_is_read():
    flat = np.full((32, 32, 3), (200, 30, 40), np.uint8)
    decoded = read_still(saved(flat, "AVIF"))
    np.testing.assert_allclose(decoded.pixels[16, 16].astype(int), flat[0, 0], atol=6)


def test_heic_is_read():
    heif = pytest.importorskip("pillow_heif")
    flat = np.full((64, 64, 3), (200, 30, 40), np.uint8)
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(flat)).save(file)
    decoded = read_still(file.getvalue())
    np.testing.assert_allclose(decoded.pixels[16, 16].astype(int), flat[0, 0], atol=6)
    with pytest.raises(ValueError):
        read(file.getvalue()[:-40])


def test_heic_without_its_package_names_the_extra(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(image_header.importlib, "import_module", absent)
    head = (24).to_bytes(4) + b"ftypheic" + bytes(4) + b"mif1heic"
    with pytest.raises(ValueError, match=r"pip install \"fer-tf\[heif\]\""):
        read(head + bytes(100))


@pytest.mark.parametrize("seed", range(3))
def test_damage_of_any_kind_is_one_error(seed):
    """Bytes changed at random: an image or a `ValueError`, and nothing else."""
    rng = np.random.default_rng(seed)
    for turn in range(600):
        data = bytearray((JPEG, PNG, GIF)[turn % 3])
        for place in rng.integers(0, (len(data), 60)[turn % 2], 4):
            data[place] = rng.integers(256)
        try:
            assert read_still(bytes(data)).pixels.dtype == np.uint8
        except ValueError as error:
            assert str(error)


# Linux counts the memory of the process that started this one in `ru_maxrss`.
MEMORY = """
import re, sys
from fer_tf import picture
decoded = picture.read(open(sys.argv[1], "rb").read())
status = open("/proc/self/status").read()
print(*decoded.pixels.shape, decoded.scale)
print(re.search("VmHWM:\\s+([0-9]+) kB", status)[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize(
    ("kind", "size", "scale"),
    [
        ("JPEG", (16_384, 12_288), 4),
        ("JPEG", (8_064, 6_048), 2),
        ("PNG", (11_500, 8_690), 2),
        ("TIFF", (11_500, 8_690), 2),
        ("BMP", (11_500, 8_690), 2),
        ("WEBP", (8_100, 6_100), 2),
    ],
)
def test_the_largest_images_take_less_than_a_gigabyte(tmp_path, kind, size, scale):
    path = tmp_path / "large"
    options = {"PNG": {"compress_level": 1}, "WEBP": {"method": 0}}
    Image.new("RGB", size, (200, 30, 40)).save(path, kind, **options.get(kind, {}))
    command = [sys.executable, "-c", MEMORY, path]
    output = subprocess.run(command, check=True, capture_output=True).stdout.split()
    height, width, _, reduced, used_kb = map(float, output)
    assert (width * scale, height * scale, reduced) == (*size, scale)
    assert used_kb < 1_000_000
