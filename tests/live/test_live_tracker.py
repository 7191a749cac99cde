"""An identity stays with its face."""

import numpy as np
import pytest

from fer_tf.live.tracker import Tracker
from fer_tf.live.tracker import iou


def box(x, y=50.0, side=40.0):
    return np.array([x, y, side, side], float)


def test_iou_by_hand():
    # Two unit squares that share a half: 0.5 / 1.5.
    assert iou([0, 0, 1, 1], [0.5, 0, 1, 1]) == pytest.approx(1 / 3)
    assert iou([0, 0, 1, 1], [0, 0, 1, 1]) == 1
    assert iou([0, 0, 1, 1], [2, 0, 1, 1]) == 0
    assert iou([0, 0, 0, 0], [0, 0, 0, 0]) == 0


def test_identities_count_up_in_the_order_of_the_boxes():
    tracker = Tracker()
    assert tracker.update([box(0), box(200)], 0) == [1, 2]
    assert tracker.update([box(201), box(1)], 40) == [2, 1]


def test_a_face_that_moves_keeps_its_identity():
    tracker = Tracker()
    identities = {tracker.update([box(6.0 * t)], 40 * t)[0] for t in range(50)}
    assert identities == {1}


def test_motion_is_expected_to_go_on_while_a_face_is_hidden():
    tracker = Tracker(forget_ms=500)
    for index in range(10):
        tracker.update([box(6.0 * index)], 40.0 * index)
    # Hidden for ten frames, it has moved by 60 px: one and a half of its sides.
    assert tracker.update([box(6.0 * 19)], 40.0 * 19) == [1]


def test_faces_that_cross_keep_their_identities():
    tracker = Tracker()
    for index in range(60):
        left, right = box(5.0 * index), box(300 - 5.0 * index, y=62)
        assert tracker.update([left, right], 40.0 * index) == [1, 2]


def test_a_track_ends_when_its_face_is_gone_for_longer_than_forget_ms():
    tracker = Tracker(forget_ms=500)
    tracker.update([box(0)], 0)
    tracker.update([], 500)
    assert tracker.alive == {1}
    tracker.update([], 501)
    assert tracker.alive == set()
    assert tracker.update([box(0)], 502) == [2]


def test_two_faces_are_never_one():
    tracker = Tracker()
    tracker.update([box(0)], 0)
    assert tracker.update([box(1), box(2)], 40) == [1, 2]
