"""Drawn faces are the same for the same seed, balanced, framed, and tell apart."""

import itertools
from collections import Counter

import cv2
import numpy as np
import pytest

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.preprocess import Framing
from fer_tf.preprocess import cut
from fer_tf.preprocess import square_around
from fer_tf.sources import SPLITS
from fer_tf.sources import drawn
from fer_tf.sources.drawn_face import MOODS
from fer_tf.sources.drawn_face import Mood
from fer_tf.sources.drawn_face import Pose
from fer_tf.sources.drawn_face import face_box
from fer_tf.sources.drawn_face import random_look
from fer_tf.sources.drawn_film import HOLD_S
from fer_tf.sources.drawn_film import film
from fer_tf.sources.drawn_paint import paint


@pytest.fixture(scope="module")
def faces():
    """Two hundred and eighty drawn faces, forty of each class."""
    return list(drawn.records(280, seed=3))


def test_a_larger_corpus_begins_with_the_smaller_one(faces):
    assert list(drawn.records(9, seed=3)) == faces[:9]


def test_another_seed_draws_others(faces):
    other = next(drawn.records(1, seed=4))
    assert other.image != faces[0].image
    assert (other.key, faces[0].key) == ("drawn_faces/4-000000", "drawn_faces/3-000000")


def test_classes_and_splits_are_balanced(faces):
    counts = Counter((face.label, face.split) for face in faces)
    wanted = {"train": 28, "validation": 6, "test": 6}
    assert counts == {
        (label, split): wanted[split] for label in labels.CLASSES for split in SPLITS
    }


def test_a_split_alone_is_its_part_of_all(faces):
    parts = [list(drawn.records(280, 3, split)) for split in SPLITS]
    assert sorted(itertools.chain(*parts), key=lambda face: face.key) == faces


def test_the_fewest_faces_still_fill_every_split_with_every_class():
    fewest = drawn.records(drawn.MIN_COUNT, seed=0)
    shown = {(face.split, face.label) for face in fewest}
    assert len(shown) == len(SPLITS) * labels.NUM_CLASSES


@pytest.mark.parametrize("count, seed", [(drawn.MIN_COUNT - 1, 0), (3000, -1)])
def test_too_few_faces_or_a_negative_seed_are_refused(count, seed):
    with pytest.raises(UserError, match=rf"\b{count} .*{seed}\b"):
        drawn.config_name(count, seed)


def test_a_configs_name_says_what_is_drawn():
    match = drawn.CONFIG_NAME.fullmatch(drawn.config_name(3000, seed=12))
    assert match.groups() == ("3000", "12")


def test_the_face_is_framed_as_training_pictures_are(faces):
    boxes = np.array([face.box_xywh_px for face in faces])
    side = np.sqrt(boxes[:, 2] * boxes[:, 3]) / drawn.SIZE_PX
    centre = (boxes[:, :2] + boxes[:, 2:] / 2) / drawn.SIZE_PX
    assert 0.6 < side.min() and side.max() < 0.85
    assert np.abs(centre - 0.5).max() < 0.2
    assert np.abs(np.median(centre, axis=0) - 0.5).max() < 0.03


def test_expressions_can_be_told_apart_by_a_linear_reader(faces):
    def pixels(face):
        grey = cv2.cvtColor(picture.decode(face.image), cv2.COLOR_RGB2GRAY)
        cropped = cut(grey, square_around(face.box_xywh_px, Framing()))
        small = cv2.resize(cropped, (24, 24), interpolation=cv2.INTER_AREA).ravel()
        return (small - small.mean()) / small.std()

    inputs = np.stack([pixels(face) for face in faces])
    answers = np.array([face.distribution for face in faces])
    train = np.array([face.split == "train" for face in faces])
    kernel = inputs @ inputs[train].T
    ridge = kernel[train] + 100 * np.eye(train.sum())
    scores = kernel[~train] @ np.linalg.solve(ridge, answers[train])
    accuracy = (scores.argmax(1) == answers[~train].argmax(1)).mean()
    assert accuracy > 0.45, "chance is .14"


def test_there_is_a_mood_for_every_class():
    assert tuple(MOODS) == labels.CLASSES
    assert MOODS["Neutral"] == Mood()


def test_towards_begins_here_and_ends_there():
    angry, happy = MOODS["Angry"], MOODS["Happy"]
    np.testing.assert_allclose(angry.towards(happy, 0), angry)
    np.testing.assert_allclose(angry.towards(happy, 1), happy)
    np.testing.assert_allclose(angry.towards(happy, 0.5).smile, 0.045)


def test_a_quarter_turn_clockwise_takes_right_to_down():
    pose = Pose(10, 20, 5, roll=np.pi / 2)
    np.testing.assert_allclose(pose.place(np.array([[1.0, 0.0]])), [[10, 25]])


def test_turning_the_head_moves_its_front_and_not_its_edge():
    points = np.array([[0.0, 0.0], [0.0, 1.0]])
    still, turned = (Pose(0, 0, 1, yaw=yaw).turn(points) for yaw in (0, 0.3))
    np.testing.assert_allclose(still, points)
    np.testing.assert_allclose(turned[0], [0.75 * np.sin(0.3), 0])
    np.testing.assert_allclose(turned[1], points[1], atol=1e-12)


@pytest.mark.parametrize("x, y", [(-40, 30), (60, 130), (200, 200)])
def test_a_face_may_leave_the_picture(x, y):
    canvas = np.zeros((100, 100, 3), np.uint8)
    look = random_look(np.random.default_rng(0))
    paint(canvas, look, Mood(), Pose(x, y, 50), (0.1, 0.1))
    assert canvas.any() == (x < 200)


def test_the_box_grows_and_moves_with_the_face():
    look = random_look(np.random.default_rng(0))
    small, large = (face_box(look, Pose(10, 20, unit)) for unit in (30, 60))
    np.testing.assert_allclose(np.array(large[2:]), 2 * np.array(small[2:]))
    moved = face_box(look, Pose(15, 13, 30))
    np.testing.assert_allclose(np.subtract(moved, small), [5, -7, 0, 0], atol=1e-9)


def test_a_film_moves_smoothly_and_shows_every_expression():
    frames = list(film(seed=0, seconds=7 * HOLD_S, frames_per_second=10))
    assert len(frames) == 168 and frames[1].time_ms == 100
    boxes = np.array([frame.boxes_xywh_px for frame in frames])
    assert boxes.shape == (168, 2, 4)
    assert np.abs(np.diff(boxes, axis=0)).max() < 4, "pixels in a tenth of a second"
    assert (boxes[:, 0, 0] + boxes[:, 0, 2] < boxes[:, 1, 0]).all(), "never overlap"
    for face in range(2):
        shown = [frame.labels[face] for frame in frames]
        assert sorted(set(shown)) == sorted(labels.CLASSES)
        assert len([*itertools.groupby(shown)]) == 7


def test_a_film_is_the_same_for_the_same_seed():
    one, again = (next(film(seed=2, seconds=0.1)) for _ in range(2))
    assert (one.pixels_bgr == again.pixels_bgr).all()
    assert one.boxes_xywh_px == again.boxes_xywh_px
    other = next(film(seed=3, seconds=0.1))
    assert (one.pixels_bgr != other.pixels_bgr).any()


@pytest.mark.shared
def test_the_detector_finds_drawn_faces_where_they_say(detector_model, faces):
    detector = cv2.FaceDetectorYN.create(str(detector_model), "", (488, 488), 0.6)
    overlaps = [_overlap(detector, face) for face in faces[:70]]
    assert np.mean(np.array(overlaps) > 0.5) > 0.95
    assert np.median(overlaps) > 0.85


def _overlap(detector, face) -> float:
    bgr = picture.decode(face.image)[..., ::-1]
    large = cv2.resize(bgr, (288, 288))
    framed = cv2.copyMakeBorder(large, *[100] * 4, cv2.BORDER_REPLICATE)
    found = detector.detect(framed)[1]
    if found is None:
        return 0.0
    return _iou((found[0, :4] - (100, 100, 0, 0)) / 3, np.array(face.box_xywh_px))


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared_area = np.prod(np.clip(high - low, 0, None))
    return shared_area / (np.prod(one[2:]) + np.prod(other[2:]) - shared_area)
