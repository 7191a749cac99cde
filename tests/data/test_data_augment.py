"""Views: a function of (seed, key, number), and nothing else."""

import dataclasses

import cv2
import numpy as np
import pytest

from fer_tf.config import AugmentConfig
from fer_tf.data.augment import view
from fer_tf.data.crops import Crop
from fer_tf.data.crops import crop_of
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
)
ALL = AugmentConfig(
    shift=0.1,
    scale=0.2,
    rotate_deg=20.0,
    brightness=0.2,
    contrast=0.3,
    tint=0.2,
    downscale=0.6,
    blur=0.02,
    noise=8.0,
    jpeg_quality=30,
    grey=0.3,
    cutout=0.4,
)
# What is switched on alone, and far enough to be seen.
ALONE = {
    "flip": True,
    "shift": 0.3,
    "scale": 0.4,
    "rotate_deg": 40.0,
    "brightness": 0.4,
    "contrast": 0.6,
    "tint": 0.5,
    "downscale": 0.8,
    "blur": 0.1,
    "noise": 40.0,
    "jpeg_quality": 1,
    "grey": 0.6,
    "cutout": 0.8,
}
SPEC = FaceSpec(size=32)
# Nothing after the augmentations hides what they did.
BARE = FaceSpec(size=32, grey=False, clahe_clip=0.0)


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (6, 6), np.uint8), (40, 40))


@pytest.fixture
def colourful():
    """A picture in colour that a view of size 32 need not resize."""
    rng = np.random.default_rng(1)
    return cv2.resize(rng.integers(40, 216, (5, 5, 3), np.uint8), (32, 32))


def take(
    picture, augment=AugmentConfig(), seed=0, key="a/1", number=0, spec=SPEC, square=()
):
    crop = crop_of(picture, square, spec.size)
    return view(crop, spec=spec, augment=augment, seed=seed, key=key, number=number)


def alone(name, value=None):
    """Return a recipe with one augmentation alone."""
    value = ALONE[name] if value is None else value
    return dataclasses.replace(STILL, **{name: value})


def many(picture, augment, count=60, spec=BARE):
    return np.stack(
        [take(picture, augment, number=n, spec=spec) for n in range(count)]
    )


def test_the_same_view_is_the_same_pixels_whoever_asks(picture):
    np.testing.assert_array_equal(take(picture), take(picture.copy()))


@pytest.mark.parametrize("other", [{"seed": 1}, {"key": "a/2"}, {"number": 1}])
def test_another_seed_key_or_number_is_another_view(picture, other):
    assert (take(picture) != take(picture, **other)).mean() > 0.2


@pytest.mark.parametrize("augment", [ALL, alone("cutout", 1.0)])
def test_asking_does_not_change_the_crop(colourful, augment):
    crop = crop_of(colourful, (), 32)
    before = crop.pixels.copy(), crop.plain.copy()
    for number in range(20):
        view(crop, spec=BARE, augment=augment, seed=0, key="a/1", number=number)
    np.testing.assert_array_equal(crop.pixels, before[0])
    np.testing.assert_array_equal(crop.plain, before[1])


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
    flip = alone("flip")
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


@pytest.mark.parametrize("spec", [SPEC, dataclasses.replace(SPEC, grey=False)])
@pytest.mark.parametrize("shape", [(40, 40), (1, 30), (30, 1), (1, 1), (90, 17)])
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("square", [(), (-3, 5, 20, 20), (0, 0, 1, 1)])
def test_any_picture_has_views(shape, channels, spec, square):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, *channels), np.uint8)
    for number in range(8):
        found = take(noise, ALL, number=number, spec=spec, square=square)
        assert found.shape == (32, 32, 3)
        assert found.dtype == np.uint8


@pytest.mark.parametrize("name", sorted(set(ALONE) - {"flip"}))
def test_each_augmentation_does_something_and_0_switches_it_off(colourful, name):
    views = many(colourful, alone(name))
    changed = (views != colourful).any(axis=(1, 2, 3)).mean()
    assert changed > 0.3
    np.testing.assert_array_equal(take(colourful, STILL, spec=BARE), colourful)


@pytest.mark.parametrize("name", sorted(set(ALONE) - {"cutout"}))
def test_one_augmentation_does_not_change_what_another_does(colourful, name):
    """Where the square is erased, and with which grey, is the same with and without."""
    erase = alone("cutout", 1.0)
    both = dataclasses.replace(erase, **{name: ALONE[name]})
    grey = np.full((32, 32, 3), 128, np.uint8)
    for number in range(40):
        found, expected = (
            take(picture, augment, number=number, spec=BARE)
            for picture, augment in ((colourful, both), (grey, erase))
        )
        erased = (expected != 128).all(axis=-1)
        np.testing.assert_array_equal(found[erased], expected[erased])


def test_noise_is_the_same_whatever_else_is_on():
    grey = np.full((32, 32), 128, np.uint8)
    both = dataclasses.replace(alone("noise"), shift=0.3, rotate_deg=40.0, flip=True)
    np.testing.assert_array_equal(
        take(grey, both, spec=BARE), take(grey, alone("noise"), spec=BARE)
    )


def test_jitter_reaches_into_the_slack_and_mirrors_beyond_it():
    """Black around the square is seen in views, unless the picture ends there."""
    square = np.full((40, 40), 200, np.uint8)
    framed = cv2.copyMakeBorder(square, 20, 20, 20, 20, cv2.BORDER_CONSTANT, value=0)
    shifted = alone("shift")
    with_slack = [
        take(framed, shifted, number=n, spec=BARE, square=(20, 20, 40, 40)).min()
        for n in range(10)
    ]
    assert max(with_slack) == 0
    assert many(square, shifted).min() == 200


def test_a_view_of_a_square_is_a_view_of_that_part(picture):
    """Where nothing jitters, slack makes no difference."""
    framed = cv2.copyMakeBorder(picture, 9, 9, 9, 9, cv2.BORDER_REFLECT_101)
    np.testing.assert_array_equal(
        take(framed, STILL, square=(9, 9, 40, 40)), take(picture, STILL)
    )


def test_light_is_the_formula(colourful):
    bright = many(colourful, alone("brightness")).astype(int)
    unclipped = (bright > 0) & (bright < 255)
    added = np.where(unclipped, bright - colourful, np.nan)
    highest, lowest = (f(added, axis=(1, 2, 3)) for f in (np.nanmax, np.nanmin))
    np.testing.assert_array_equal(highest, lowest)
    assert -0.4 * 255 <= lowest.min() < -60
    assert 60 < highest.max() <= 0.4 * 255


def test_a_tint_is_a_gain_for_each_colour_and_leaves_black_black():
    black, grey = np.zeros((32, 32), np.uint8), np.full((32, 32), 100, np.uint8)
    assert not many(black, alone("tint")).any()
    gains = many(grey, alone("tint"))[:, 0, 0] / 100
    assert (np.ptp(many(grey, alone("tint")), axis=(1, 2)) == 0).all()
    assert (abs(gains - 1) <= 0.505).all()
    assert np.std(gains, axis=0).min() > 0.15
    assert np.corrcoef(gains.T)[0, 1] < 0.5


@pytest.mark.parametrize("name", ["downscale", "blur"])
def test_a_lens_takes_detail_and_leaves_the_mean(colourful, name):
    stripes = np.zeros((32, 32), np.uint8)
    stripes[:, ::2] = 255
    views = many(stripes, alone(name)).astype(float)
    assert np.median(views.std(axis=(1, 2, 3))) < 80 < stripes.std()
    np.testing.assert_allclose(views.mean(axis=(1, 2, 3)), stripes.mean(), atol=12)


def test_jpeg_comes_to_half_of_the_views_and_keeps_colours_apart(colourful):
    views = many(colourful, alone("jpeg_quality", 60), count=100).astype(int)
    changed = (views != colourful).any(axis=(1, 2, 3))
    assert 0.35 < changed.mean() < 0.65
    # Red taken for blue, or a channel lost, would be far more than this.
    assert abs(views - colourful).mean() < 6


def test_grey_is_luminance_with_the_probability_given(colourful):
    views = many(colourful, alone("grey", 0.25), count=200)
    grey = (np.ptp(views, axis=3) == 0).all(axis=(1, 2))
    assert 0.15 < grey.mean() < 0.35
    luminance = cv2.cvtColor(colourful, cv2.COLOR_RGB2GRAY)
    assert (views[grey] == luminance[..., None]).all()
    assert (views[~grey] == colourful).all()


def test_a_grey_crop_is_seen_as_its_colour_self(picture):
    """One channel is kept of it; three that are equal would give the same views."""
    one = crop_of(picture, (), 32)
    three = Crop(np.dstack([one.pixels] * 3), one.square_xywh_px, one.plain)
    # JPEG of grey holds no colour, so it is the one that differs.
    augment = dataclasses.replace(ALL, jpeg_quality=0)
    for number in range(20):
        of_one, of_three = (
            view(crop, spec=BARE, augment=augment, seed=0, key="a", number=number)
            for crop in (one, three)
        )
        np.testing.assert_array_equal(of_one, of_three)
