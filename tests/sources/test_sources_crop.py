"""A crop holds its face's square, slack as far as there is any, and says where."""

import numpy as np
import pytest

from fer_tf import picture
from fer_tf.preprocess import cut
from fer_tf.sources.crop import MAX_SIDE_PX
from fer_tf.sources.crop import crop
from fer_tf.sources.crop import whole


@pytest.fixture
def ramp():
    """A picture whose red says the column and whose green says the row."""
    rows, columns = np.mgrid[:120, :200]
    return np.dstack([columns, rows, np.full_like(rows, 128)]).astype(np.uint8)


def test_the_square_is_the_face_and_a_quarter_of_slack_lies_around_it(ramp):
    cropped = crop(ramp, (80, 40, 40, 40))
    assert picture.decode(cropped.image).shape == (60, 60, 3)
    assert cropped.square_xywh_px == cropped.box_xywh_px == (10, 10, 40, 40)
    shown = cut(picture.decode(cropped.image), cropped.square_xywh_px).astype(int)
    assert np.abs(shown - ramp[40:80, 80:120]).max() <= 6, "JPEG's error"


@pytest.mark.parametrize(
    "box, square", [((60, 40, 40, 20), (60, 30)), ((60, 40, 20, 40), (50, 40))]
)
def test_a_box_is_made_square_by_its_longer_side_around_its_centre(ramp, box, square):
    cropped = crop(ramp, box)
    left, top = square[0] - 10, square[1] - 10
    assert cropped.square_xywh_px == (10, 10, 40, 40)
    assert cropped.box_xywh_px == (box[0] - left, box[1] - top, *box[2:])
    first = picture.decode(cropped.image)[0, 0].astype(int)
    assert np.abs(first - (left, top, 128)).max() <= 6


def test_a_crop_ends_where_the_picture_does_and_is_not_padded(ramp):
    cropped = crop(ramp, (-8, 100, 40, 40))
    assert picture.decode(cropped.image).shape == (30, 42, 3)
    assert cropped.square_xywh_px == (-8, 10, 40, 40)


def test_a_large_face_is_reduced_and_its_box_with_it():
    pixels = np.zeros((1200, 1600, 3), np.uint8)
    pixels[200:1000, 400:1200] = 255
    cropped = crop(pixels, (400, 200, 800, 800))
    stored = picture.decode(cropped.image)
    assert stored.shape == (MAX_SIDE_PX, MAX_SIDE_PX, 3)
    np.testing.assert_allclose(cropped.square_xywh_px, (60, 60, 240, 240))
    assert cut(stored, cropped.square_xywh_px).min() > 200
    assert stored[:50].max() < 20 and stored[:, -50:].max() < 20


def test_a_box_of_fractions_loses_nothing_of_its_slack(ramp):
    cropped = crop(ramp, (80.6, 40.2, 40, 40))
    assert picture.decode(cropped.image).shape == (61, 61, 3)
    np.testing.assert_allclose(cropped.square_xywh_px, (10.6, 10.2, 40, 40))


@pytest.mark.parametrize(
    "box, why",
    [
        ((10, 10, 0, 20), "no area"),
        ((10, 10, 20, -5), "no area"),
        ((200, 10, 20, 20), "200x120"),
        ((10, 120, 20, 20), "200x120"),
        ((-20, 10, 20, 20), "200x120"),
        ((10, -30, 20, 20), "200x120"),
    ],
)
def test_a_box_without_area_or_outside_is_refused(ramp, box, why):
    with pytest.raises(ValueError, match=why):
        crop(ramp, box)


def test_a_box_far_larger_than_its_picture_is_refused_and_takes_no_memory(ramp):
    height, width = ramp.shape[:2]
    side = 2 * max(height, width)
    assert crop(ramp, (-10, -10, side, 20)).square_xywh_px[2]
    with pytest.raises(ValueError, match="401.*200x120"):
        crop(ramp, (-10, -10, side + 1, 20))


def test_a_whole_picture_is_reduced_and_has_no_square():
    kept = whole(np.full((200, 720, 3), 90, np.uint8))
    assert picture.decode(kept.image).shape == (100, 360, 3)
    assert kept.box_xywh_px == kept.square_xywh_px == ()
