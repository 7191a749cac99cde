"""Which crops are too bad to classify; real faces are measured by a benchmark."""

import dataclasses

import cv2
import numpy as np
import pytest

from fer_tf import labels
from fer_tf import quality
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import prepare
from fer_tf.quality import ACCEPT_ALL
from fer_tf.quality import Thresholds
from fer_tf.quality import UnsureReason
from fer_tf.sources import drawn

SIDES = (25, 48, 97, 250)


def face(side, number=0):
    """A drawn face in gray, well lit."""
    rng = np.random.default_rng((3, number))
    name = labels.CLASSES[number % labels.NUM_CLASSES]
    pixels = drawn.draw(name, rng, size=96).pixels
    how = cv2.INTER_AREA if side < 96 else cv2.INTER_CUBIC
    gray = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (0, 0), 0.8)
    lit = cv2.normalize(gray, None, 20, 235, cv2.NORM_MINMAX)
    return cv2.resize(lit, (side, side), interpolation=how)


def noise(side, seed=0, kind="uniform"):
    rng = np.random.default_rng(seed)
    shape = (side, side)
    if kind == "uniform":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if kind == "normal":
        return rng.normal(128, 50, shape).clip(0, 255).astype(np.uint8)
    if kind == "colored":
        return cv2.cvtColor(
            rng.integers(0, 256, (*shape, 3), dtype=np.uint8), cv2.COLOR_RGB2GRAY
        )
    salt = rng.random(shape)
    return np.where(salt < 0.1, 0, np.where(salt > 0.9, 255, 128)).astype(np.uint8)


@pytest.mark.parametrize("side", SIDES)
def test_faces_of_every_size_are_usable(side):
    reasons = [quality.assess(face(side, number)) for number in range(20)]
    assert reasons == [""] * 20


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda gray: gray // 10, "too_dark"),
        (lambda gray: 110 + gray // 12, "low_contrast"),
        (lambda gray: cv2.GaussianBlur(gray, (0, 0), len(gray) / 10), "blurred"),
        (lambda gray: np.where(gray > gray.mean(), 255, 9).astype("u1"), "few_tones"),
    ],
)
def test_a_damaged_face_is_named_by_its_cause(side, damage, reason):
    for number in range(10):
        assert quality.assess(damage(face(side, number))) == reason


@pytest.mark.parametrize(("side", "reason"), [(25, ""), (22, ""), (21, "too_small")])
def test_a_small_face_is_one_of_few_pixels(side, reason):
    assert quality.assess(face(side)) == reason
    assert quality.assess(cv2.copyMakeBorder(
        face(side), 0, 40, 0, 0, cv2.BORDER_REFLECT
    )) == reason


@pytest.mark.parametrize("kind", ["uniform", "normal", "colored", "salt"])
@pytest.mark.parametrize("side", [25, 48, 97, 250, 500])
def test_noise_is_never_usable(side, kind):
    for seed in range(10):
        assert not quality.assess(noise(side, seed, kind)).is_usable


def test_noise_over_a_face_is_noise():
    rng = np.random.default_rng(0)
    for number in range(10):
        noisy = face(48, number) + rng.normal(0, 60, (48, 48))
        assert quality.assess(noisy.clip(0, 255).astype(np.uint8)) == "noise"


@pytest.mark.parametrize("side", SIDES)
def test_a_crop_without_structure_is_never_usable(side):
    y, x = np.mgrid[:side, :side]
    crops = [np.full((side, side), level, np.uint8) for level in range(0, 256, 15)]
    for ramp in (x, y, x + y):
        crops.append((255 * ramp / ramp.max()).astype(np.uint8))
    for cell in (1, 2, 3, 5, 8, 16):
        crops.append((255 * ((x // cell + y // cell) % 2)).astype(np.uint8))
        crops.append((60 + 120 * ((x // cell) % 2)).astype(np.uint8))
    assert not any(quality.assess(crop).is_usable for crop in crops)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_crops_of_any_shape_are_measured(shape):
    crop = np.full(shape, 128, np.uint8)
    assert quality.assess(crop) == "too_small"
    assert quality.assess(crop, thresholds=ACCEPT_ALL) == ""
    found = dataclasses.astuple(quality.measure(crop))
    assert np.isfinite(found).all()


def test_what_is_measured_by_hand():
    """Half is 100, half is 160: the deviation is 30, and the entropy one bit."""
    crop = np.full((48, 48), 100, np.uint8)
    crop[:, 24:] = 160
    found = quality.measure(crop)
    assert found.side_px == 48
    assert (found.bright, found.contrast) == (160, 30)
    assert found.tones_bits == pytest.approx(1)
    # Two of 22 columns inside the border have a Laplacian, of 60 and -60.
    assert found.detail == pytest.approx(60 * np.sqrt(2 / 22) / 30)
    # The kernel is a second difference along both axes, and here one is 0.
    assert found.noise == pytest.approx(0, abs=1e-6)


def test_white_noise_has_the_noise_of_its_deviation():
    crop = np.random.default_rng(0).normal(128, 30, (48, 48)).astype(np.uint8)
    assert quality.measure(crop).noise == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ([10, 10, 50, 50], 1.0),
        ([-20, 0, 40, 40], 0.5),
        ([80, 60, 40, 40], 0.25),
        ([200, 0, 40, 40], 0.0),
        ([-10, -10, 120, 100], 100 * 80 / (120 * 100)),
        ([10, 10, 0, 0], 0.0),
    ],
)
def test_the_visible_share_of_a_box(box, share):
    assert quality.visible_share(np.array(box), (100, 80)) == pytest.approx(share)


def test_a_face_mostly_outside_the_frame_is_named():
    assert quality.assess(face(48), visible=0.59) == "outside_frame"
    assert quality.assess(face(48), visible=0.61) == ""


def test_thresholds_can_be_chosen():
    stricter = dataclasses.replace(Thresholds(), min_side_px=100)
    assert quality.assess(face(97), thresholds=stricter) == "too_small"
    for crop in (np.zeros((48, 48), np.uint8), noise(48)):
        assert quality.assess(crop, 0.0, ACCEPT_ALL) == ""


def test_the_check_comes_before_clahe():
    """CLAHE hides that a face is flat."""
    flat = 110 + face(48) // 6
    assert quality.assess(flat) == "low_contrast"
    assert quality.assess(prepare(flat, FaceSpec(size=48))[..., 0]) == ""


@pytest.mark.parametrize(
    ("reason", "usable", "words"),
    [
        ("", True, ""),
        ("low_confidence", True, "low confidence"),
        ("too_dark", False, "too dark"),
        ("noise", False, "noise"),
    ],
)
def test_reasons_are_names_and_words(reason, usable, words):
    found = UnsureReason(reason)
    assert (found.is_usable, found.words, str(found)) == (usable, words, reason)
