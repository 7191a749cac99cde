"""Views: a function of (seed, key, number), and nothing else."""

import cv2
import numpy as np
import pytest

from fer_tf.config import AugmentConfig
from fer_tf.data.augment import view
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import prepare

STILL = AugmentConfig(
    flip=False,
    shift=0.0,
    scale=0.0,
    rotate_deg=0.0,
    brightness=0.0,
    contrast=0.0,
    noise=0.0,
    cutout=0.0,
)
SPEC = FaceSpec(size=32)


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (6, 6), np.uint8), (40, 40))


def take(picture, augment=AugmentConfig(), seed=0, key="a/1", number=0, spec=SPEC):
    return view(
        picture, spec=spec, augment=augment, seed=seed, key=key, number=number
    )


def test_the_same_view_is_the_same_pixels_whoever_asks(picture):
    np.testing.assert_array_equal(take(picture), take(picture.copy()))


@pytest.mark.parametrize("other", [{"seed": 1}, {"key": "a/2"}, {"number": 1}])
def test_another_seed_key_or_number_is_another_view(picture, other):
    assert (take(picture) != take(picture, **other)).mean() > 0.2


def test_asking_does_not_change_the_picture(picture):
    before = picture.copy()
    take(picture, AugmentConfig(cutout=0.9))
    np.testing.assert_array_equal(picture, before)


def test_a_view_without_any_change_is_the_picture_itself(picture):
    plain = FaceSpec(size=32, clahe_clip=0.0)
    same_size = cv2.resize(picture, (32, 32))
    np.testing.assert_array_equal(
        take(same_size, STILL, spec=plain), prepare(same_size, plain)
    )


def test_the_warp_keeps_centres_on_centres(picture):
    """Half a pixel's error would show as a shift against OpenCV's own enlarging."""
    plain = FaceSpec(size=80, clahe_clip=0.0)
    found = take(picture, STILL, spec=plain).astype(int)
    expected = prepare(picture, plain).astype(int)
    assert np.abs(found - expected)[4:-4, 4:-4].max() <= 2


def test_a_mirrored_view_is_the_mirror_image(picture):
    flip = AugmentConfig(**{**vars(STILL), "flip": True})
    plain = FaceSpec(size=32, clahe_clip=0.0)
    same_size = cv2.resize(picture, (32, 32))
    ways = {
        take(same_size, flip, number=number, spec=plain).tobytes()
        for number in range(20)
    }
    rgb = prepare(same_size, plain)
    assert ways == {rgb.tobytes(), rgb[:, ::-1].tobytes()}


def test_a_large_picture_is_averaged_not_sampled():
    """One white column in sixteen must not come and go with the jitter."""
    stripes = np.zeros((640, 640), np.uint8)
    stripes[:, ::16] = 255
    found = take(stripes, STILL, spec=FaceSpec(size=32, clahe_clip=0.0))
    assert found.std() < 8


def test_views_end_in_prepare(picture):
    """Grey out of colour, for a grey model, whatever light and camera did."""
    tinted = np.dstack([picture, picture // 2, picture // 3])
    found = take(tinted)
    np.testing.assert_array_equal(found[..., 0], found[..., 2])
