"""The one definition of a face that training and live share."""

import json

import cv2
import numpy as np
import pytest

from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import Framing
from fer_tf.preprocess import cut
from fer_tf.preprocess import fit_framing
from fer_tf.preprocess import prepare
from fer_tf.preprocess import square_around

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("shape", [(48, 48), (1, 1), (7, 31), (300, 200), (64, 64)])
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
@pytest.mark.parametrize("grey", [True, False])
def test_any_picture_becomes_the_input(shape, channels, grey):
    picture = RNG.integers(0, 256, shape if channels is None else (*shape, channels))
    found = prepare(picture.astype(np.uint8), FaceSpec(size=64, grey=grey))
    assert found.shape == (64, 64, 3)
    assert found.dtype == np.uint8


def test_a_tinted_picture_is_its_grey_self():
    grey = cv2.resize(RNG.integers(0, 256, (8, 8), np.uint8), (64, 64))
    # A tint that leaves the luminance (.299 R + .587 G + .114 B) as it is.
    tint = np.array([20, -20 * 0.299 / 0.587, 0])
    tinted = np.clip(grey[..., None].astype(float) * 0.6 + 40 + tint, 0, 255)
    untinted = np.clip(grey[..., None].astype(float) * 0.6 + 40, 0, 255)
    spec = FaceSpec(size=64, clahe_clip=0.0)
    difference = prepare(np.rint(tinted).astype(np.uint8), spec).astype(int) - prepare(
        np.rint(np.repeat(untinted, 3, 2)).astype(np.uint8), spec
    )
    assert np.abs(difference).max() <= 1


def test_clahe_is_opencvs_on_luminance():
    picture = RNG.integers(80, 120, (64, 64), np.uint8)
    clahe = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(4, 4))
    found = prepare(picture, FaceSpec(size=64))
    np.testing.assert_array_equal(found, np.dstack([clahe.apply(picture)] * 3))


def test_without_grey_and_clahe_a_picture_of_the_right_size_is_unchanged():
    picture = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    spec = FaceSpec(size=32, grey=False, clahe_clip=0.0)
    np.testing.assert_array_equal(prepare(picture, spec), picture)


@pytest.mark.parametrize(
    ("image", "received"),
    [
        (np.zeros((4, 4), np.uint16), "uint16"),
        (np.zeros((4, 4, 2), np.uint8), r"\b2\b"),
        (np.zeros((0, 4, 3), np.uint8), r"\[0, 4, 3\]"),
        (np.zeros(4, np.uint8), r"\[4\]"),
    ],
)
def test_what_is_no_image_is_refused(image, received):
    with pytest.raises(ValueError, match=received):
        prepare(image, FaceSpec())


def test_the_square_by_hand():
    framing = Framing(scale=2.0, dx=0.5, dy=-0.25)
    # A 20x5 box has side 10 and its centre at (110, 52.5).
    found = square_around((100, 50, 20, 5), framing)
    np.testing.assert_allclose(found, [105, 40, 20, 20])


def test_fitting_finds_the_framing_that_cut_the_pictures():
    """Cut pictures under a known framing, fit it on them, and get it back."""
    framing = Framing(scale=1.4, dx=0.02, dy=-0.1)
    boxes, sizes = [], []
    for _ in range(50):
        box = np.array([*RNG.uniform(50, 90, 2), *RNG.uniform(40, 60, 2)])
        x, y, side, _ = square_around(box, framing)
        boxes.append(box - [x, y, 0, 0])
        sizes.append([side, side])
    found, report = fit_framing(np.array(boxes), np.array(sizes))
    assert report["n"] == 50
    np.testing.assert_allclose(
        [found.scale, found.dx, found.dy], [1.4, 0.02, -0.1], atol=1e-3
    )


def test_a_wrong_box_now_and_then_does_not_move_the_framing():
    boxes = np.tile([10.0, 10, 40, 40], (21, 1))
    boxes[:5] = [0, 0, 6, 6]
    found, _ = fit_framing(boxes, np.tile([60.0, 60], (21, 1)))
    assert found == Framing(1.5, 0.0, 0.0)


def test_framing_without_a_face_is_refused():
    with pytest.raises(ValueError, match=r"\b0\b"):
        fit_framing(np.empty((0, 4)), np.empty((0, 2)))


def test_cutting_inside_is_slicing_and_outside_repeats_the_edge():
    frame = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    np.testing.assert_array_equal(cut(frame, (5, 3, 10, 10)), frame[3:13, 5:15])
    corner = cut(frame, (-4, -4, 6, 6))
    expected = np.broadcast_to(frame[0, 0], (5, 5, 3))
    np.testing.assert_array_equal(corner[:5, :5], expected)
    assert cut(frame, (100, 100, 8, 8)).shape == (8, 8, 3)


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_each_pixel_of_a_cut_is_the_frames_nearest(channels):
    for _ in range(300):
        frame = RNG.integers(0, 256, (*RNG.integers(1, 30, 2), *channels), np.uint8)
        left, top = RNG.integers(-50, 50, 2)
        side = int(RNG.integers(1, 50))
        rows = np.clip(np.arange(top, top + side), 0, frame.shape[0] - 1)
        columns = np.clip(np.arange(left, left + side), 0, frame.shape[1] - 1)
        expected = frame[rows[:, None], columns]
        np.testing.assert_array_equal(cut(frame, (left, top, side, side)), expected)


@pytest.mark.parametrize("side", [5, 10, 20])
def test_cutting_copies(side):
    frame = np.zeros((10, 10), np.uint8)
    cut(frame, (0, 0, side, side))[:] = 9
    assert not frame.any()


def test_a_spec_survives_json():
    spec = FaceSpec(size=48, grey=False, framing=Framing(1.2, 0.01, -0.05))
    assert FaceSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e4, -1.0, True, "1"])
@pytest.mark.parametrize(
    "name", ["size", "clahe_clip", "clahe_tiles", "grey", "framing"]
)
def test_an_impossible_spec_is_refused(name, value):
    if (name, value) == ("grey", True):
        pytest.skip("is a value of it")
    with pytest.raises(UserError) as error:
        FaceSpec(**{name: value})
    assert f"face.{name}" in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [{"size": 48.0}, {"size": 7}, {"size": 1025}, {"clahe_tiles": 0},
     {"clahe_tiles": 4.0}, {"clahe_tiles": 65}, {"clahe_tiles": 10**9},
     {"clahe_clip": 100.5}, {"clahe_clip": 10**400}, {"grey": 1}],
)  # fmt: skip
def test_types_and_bounds_of_a_spec(wrong):
    with pytest.raises(UserError):
        FaceSpec(**wrong)


@pytest.mark.parametrize("name", ["scale", "dx", "dy"])
@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 1e4, None, True, "1"])
def test_an_impossible_framing_is_refused(name, value):
    with pytest.raises(UserError) as error:
        Framing(**{name: value})
    assert f"framing.{name}" in str(error.value)


def test_the_ends_of_the_bounds_are_values():
    FaceSpec(size=8, clahe_clip=0, clahe_tiles=8, framing=Framing(0.1, -5, 5))
    FaceSpec(size=1024, clahe_clip=100.0, clahe_tiles=1, framing=Framing(10))


def test_a_damaged_framing_file_is_named(tmp_path):
    path = tmp_path / "framing.json"
    files.write_json(path, {"framing": {"scale": 1.5, "dx": 0, "dy": 0.25}})
    assert Framing.load(path) == Framing(1.5, 0, 0.25)
    for content in ({}, [], {"framing": {"size": 1}}, {"framing": {"scale": None}}):
        files.write_json(path, content)
        with pytest.raises(UserError, match=r"framing\.json"):
            Framing.load(path)
