"""Crops: the square that is shown, the slack around it, and nothing larger."""

import re

import cv2
import numpy as np
import pytest

from fer_tf.data.crops import MAX_SHRINK
from fer_tf.data.crops import crop_of
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import cut
from fer_tf.preprocess import prepare
from fer_tf.preprocess import shown

RNG = np.random.default_rng(2)
SPECS = [FaceSpec(size=32, grey=True), FaceSpec(size=32, grey=False)]


def noise(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(
    "shape", [(20, 24), (31, 7), (300, 200), (32, 32), (48, 1), (1, 1), (500, 500)]
)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_to_prepare_the_plain_picture_is_to_prepare_the_picture(shape, channels, spec):
    """To the byte, however far it had to be reduced: live prepares it in one step."""
    picture = noise(*shape, *channels)
    found = prepare(crop_of(picture, (), 32).plain, spec)
    np.testing.assert_array_equal(found, prepare(picture, spec))


@pytest.mark.parametrize("square", [(40, 30, 50, 50), (-10, 60, 80, 80), (90, 5, 9, 9)])
def test_the_plain_picture_of_a_square_is_what_live_would_cut(square):
    picture = noise(120, 100, 3)
    found = prepare(crop_of(picture, square, 32).plain, SPECS[0])
    np.testing.assert_array_equal(found, prepare(cut(picture, square), SPECS[0]))


def test_slack_is_kept_and_what_no_jitter_reaches_is_not():
    picture = noise(200, 200, 3)
    crop = crop_of(picture, (80, 100, 40, 40), 64)
    np.testing.assert_array_equal(crop.pixels, picture[80:160, 60:140])
    assert crop.square_xywh_px == (20, 20, 40, 40)


def test_a_square_at_the_pictures_edge_keeps_the_slack_there_is():
    picture = noise(50, 60, 3)
    crop = crop_of(picture, (40, -10, 40, 40), 64)
    np.testing.assert_array_equal(crop.pixels, picture[:50, 20:])
    assert crop.square_xywh_px == (20, -10, 40, 40)


@pytest.mark.parametrize("square", [(-500, 0, 40, 40), (0, 900, 40, 40), (70, 0, 1, 1)])
def test_a_square_beyond_the_picture_leaves_a_pixel_at_least(square):
    crop = crop_of(noise(50, 60, 3), square, 64)
    assert crop.pixels.size
    assert crop.plain.shape[:2] == (64, 64)


def test_the_square_is_bounded_and_stays_where_it_is():
    """A white mark in the square's corner is still there when all is reduced."""
    picture = np.zeros((900, 700), np.uint8)
    picture[300:330, 200:230] = 255
    crop = crop_of(picture, (200, 300, 300, 300), 32)
    x, y, width, height = crop.square_xywh_px
    assert width == pytest.approx(32 * MAX_SHRINK, abs=0.5)
    assert height == pytest.approx(32 * MAX_SHRINK, abs=0.5)
    rows, columns = np.nonzero(crop.pixels > 127)
    np.testing.assert_allclose([columns.min(), rows.min()], [x, y], atol=1)


def test_a_long_picture_is_bounded_along_both_sides():
    crop = crop_of(noise(100, 400), (), 48)
    assert crop.square_xywh_px == (0, 0, 48 * MAX_SHRINK, 48 * MAX_SHRINK)
    assert crop.pixels.shape == (48 * MAX_SHRINK, 48 * MAX_SHRINK)


def test_a_small_picture_is_kept_as_it_is():
    picture = noise(48, 48, 3)
    crop = crop_of(picture, (), 32)
    np.testing.assert_array_equal(crop.pixels, picture)
    assert crop.square_xywh_px == (0, 0, 48, 48)


def test_a_grey_picture_is_kept_with_one_channel():
    grey = noise(40, 40)
    crop = crop_of(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), (), 32)
    np.testing.assert_array_equal(crop.pixels, grey)
    assert crop.plain.shape == (32, 32)


def test_one_coloured_pixel_keeps_three_channels():
    picture = np.full((40, 40, 3), 7, np.uint8)
    picture[3, 4, 2] = 8
    assert crop_of(picture, (), 40).pixels.shape == (40, 40, 3)


def test_without_a_square_all_is_shown():
    picture = noise(40, 30, 3)
    assert shown(picture, ()) is picture
    assert shown(picture, (5, 5, 10, 10)).shape == (10, 10, 3)


@pytest.mark.parametrize(
    "square", [(0, 0, 0, 0), (0, 0, 5), (0, 0, -4, 4), (float("nan"), 0, 4, 4)]
)
def test_what_is_no_square_is_refused(square):
    with pytest.raises(ValueError, match=re.escape(str([*square]))):
        crop_of(noise(20, 20), square, 32)
