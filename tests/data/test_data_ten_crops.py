"""Ten crops: against slices of the picture, its mirror, and a model that knows them."""

import cv2
import numpy as np
import pytest

from fer_tf.data import pipeline
from fer_tf.data.crops import MAX_SHRINK
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.data.ten_crops import COUNT
from fer_tf.data.ten_crops import ten_crop
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import cut
from fer_tf.preprocess import prepare

# As the field has them: the top and the left of 44 pixels in 48.
OFFSETS = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
RNG = np.random.default_rng(3)


def noise(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


def plain(size):
    """Nothing is done to a crop but to resize it."""
    return FaceSpec(size=size, grey=False, clahe_clip=0)


def slices(picture):
    cut_out = [picture[top : top + 44, left : left + 44] for top, left in OFFSETS]
    return [*cut_out, *(each[:, ::-1] for each in cut_out)]


@pytest.mark.parametrize("spec", [plain(44), FaceSpec(size=44), FaceSpec(44, False)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_of_fer2013s_48_pixels_they_are_the_fields_44_pixels(channels, spec):
    """To the byte: nothing is interpolated where a crop is as large as the input."""
    picture = noise(48, 48, *channels)
    crop = crop_of(picture, (), spec.size)
    for number, expected in enumerate(slices(picture)):
        expected = prepare(np.ascontiguousarray(expected), spec)
        np.testing.assert_array_equal(ten_crop(crop, number, spec), expected)


@pytest.mark.parametrize("size", [64, 88, 96])
def test_enlarged_they_are_what_resize_makes_of_the_slices(size):
    """But at the crop's edge, where a slice has forgotten what is beyond it."""
    picture = cv2.GaussianBlur(noise(48, 48, 3), (0, 0), 2)
    crop = crop_of(picture, (), size)
    edge = 1 + size // 44
    inner = np.s_[edge:-edge, edge:-edge]
    for number, each in enumerate(slices(picture)):
        expected = cv2.resize(each, (size, size), interpolation=cv2.INTER_LINEAR)
        found = ten_crop(crop, number, plain(size))
        np.testing.assert_allclose(found[inner], expected[inner].astype(int), atol=1)


def test_they_are_cut_from_the_square_that_the_model_is_shown():
    """And beyond the picture its edge is repeated, as live does."""
    picture = noise(90, 100)
    square = (70, -8, 48, 48)
    crop = crop_of(picture, square, 44)
    for number, expected in enumerate(slices(cut(picture, square))):
        found = ten_crop(crop, number, plain(44))[..., 0]
        np.testing.assert_array_equal(found, expected)


def test_crops_of_a_large_picture_skip_no_pixel():
    """They are reduced by no more than a view's warp may be."""
    crop = crop_of(noise(900, 900), (), 64)
    assert 44 / 48 * crop.square_xywh_px[2] / 64 < MAX_SHRINK


def test_a_mirrored_picture_has_the_same_crops_in_another_order():
    picture = noise(48, 48, 3)
    straight, mirrored = (
        [ten_crop(crop_of(each, (), 64), number, plain(64)) for number in range(COUNT)]
        for each in (picture, np.ascontiguousarray(picture[:, ::-1]))
    )
    order = [6, 5, 8, 7, 9, 1, 0, 3, 2, 4]
    for number, other in enumerate(order):
        np.testing.assert_allclose(
            straight[number].astype(int), mirrored[other].astype(int), atol=1
        )


def test_a_model_that_knows_corners_sees_all_ten_in_their_order():
    """Each corner of a picture has a brightness of its own, and the middle none."""
    picture = np.full((48, 48), 50, np.uint8)
    for row, (top, left) in enumerate([(0, 0), (0, 46), (46, 0), (46, 46)]):
        picture[top : top + 2, left : left + 2] = 100 + 50 * row
    marks = np.array([[100, 50, 50, 50], [50, 150, 50, 50], [50, 50, 200, 50],
                      [50, 50, 50, 250], [50, 50, 50, 50]])
    expected = np.concatenate([marks, marks[:, [1, 0, 3, 2]]])
    faces = Faces(
        keys=np.array(["a/0", "a/1", "a/2"]),
        crops=[crop_of(each, (), 44) for each in (picture, 255 - picture, picture)],
        targets=np.eye(7, dtype=np.float32)[:3],
        labels=np.arange(3),
        sources=np.array(["a"] * 3),
        groups=np.array(["a/0", "a/1", "a/2"]),
        agreed=np.ones(3, bool),
    )
    batches = [*pipeline.ten_crop_batches(faces, plain(44), 4)]
    assert [len(batch["row"]) for batch in batches] == [4] * 7 + [2]
    rows = np.concatenate([batch["row"] for batch in batches])
    np.testing.assert_array_equal(rows, np.repeat([0, 1, 2], 10))
    images = np.concatenate([batch["image"] for batch in batches])
    seen = images[:, [0, 0, -1, -1], [0, -1, 0, -1], 0]
    np.testing.assert_array_equal(seen[:10], expected)
    np.testing.assert_array_equal(seen[10:20], 255 - expected)
    np.testing.assert_array_equal(seen[20:], expected)
