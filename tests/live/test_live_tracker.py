"""An identity stays with its face."""

import numpy as np
import pytest

from fer_tf.live.assignment import assign
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


def test_iou_of_many_is_that_of_each():
    boxes = np.random.default_rng(0).uniform(1, 9, (6, 4))
    every = iou(boxes[:, None], boxes)
    for row, first in enumerate(boxes):
        for column, second in enumerate(boxes):
            assert every[row, column] == iou(first, second)


@pytest.mark.parametrize("seed", range(40))
def test_the_assignment_is_as_good_as_scipys(seed):
    optimize = pytest.importorskip("scipy.optimize")
    noise = np.random.default_rng(seed)
    gains = noise.random(noise.integers(0, 9, 2))
    if seed % 2:
        # Ties and zeros, as overlaps have them.
        gains = np.round(gains, 1) * (gains < 0.4)
    pairs = assign(gains)
    rows, columns = optimize.linear_sum_assignment(-gains)
    assert len(pairs) == len(rows)
    assert len({row for row, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
    ours = sum(gains[pair] for pair in pairs)
    assert ours == pytest.approx(gains[rows, columns].sum())


def test_the_assignment_by_hand():
    # 8 + 7 beats 9 + 1, which taking the largest first would find.
    assert assign(np.array([[9.0, 8.0], [7.0, 1.0]])) == [(0, 1), (1, 0)]
    assert assign(np.array([[1.0], [3.0], [2.0]])) == [(1, 0)]
    assert assign(np.zeros((0, 4))) == assign(np.zeros((3, 0))) == []


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


def crossing(noise, rate, speed, lower, hide):
    """Yield (who, box) of two faces that walk through each other, and the time.

    `speed` is in sides a second, `lower` how much lower in sides the second walks; with
    `hide` the first is not found while it is behind the second.
    """
    side = 80
    for index in range(int(rate * 300 / (speed * side))):
        walked = speed * side * index / rate
        faces = {
            "first": np.array([walked, 100, side, side]),
            "second": np.array([300 - walked, 100 + lower * side, 88, 88]),
        }
        faces = {who: box + noise.normal(0, 2, 4) for who, box in faces.items()}
        if hide and iou(*faces.values()) > 0.4:
            del faces["first"]
        yield list(faces.items())[:: noise.choice([-1, 1])], 1000 * index / rate


@pytest.mark.parametrize("rate", [10, 30])
@pytest.mark.parametrize("speed", [0.7, 1.5, 3.0])
@pytest.mark.parametrize("lower", [0.0, 0.3])
@pytest.mark.parametrize("hide", [False, True])
def test_faces_that_cross_keep_their_identities(rate, speed, lower, hide):
    """But for the moment in which their boxes are the same within the noise."""
    noise = np.random.default_rng(0)
    tracker, mistaken = Tracker(forget_ms=1000), 0
    for faces, time_ms in crossing(noise, rate, speed, lower, hide):
        boxes = [box for _, box in faces]
        identities = tracker.update(boxes, time_ms)
        expected = [{"first": 1, "second": 2}[who] for who, _ in faces]
        if len(boxes) == 2 and iou(*boxes) > 0.7:
            mistaken += identities != expected
        else:
            assert identities == expected
    assert mistaken <= 2


def test_the_best_pairing_is_of_all_faces_and_not_of_the_best_pair():
    """Greedy, the second box takes the first track, and the first box gets none."""
    tracker = Tracker()
    tracker.update([box(0), box(20)], 0)
    assert tracker.update([box(-12), box(8)], 40) == [1, 2]


def test_fifty_faces_keep_their_identities():
    noise = np.random.default_rng(0)
    homes = np.array([[60.0 * (i % 10), 60.0 * (i // 10), 40, 40] for i in range(50)])
    phases = noise.uniform(0, 6, 50)
    tracker = Tracker()
    first = None
    for index in range(60):
        moved = homes.copy()
        moved[:, 0] += 25 * np.sin(0.15 * index + phases)
        moved += noise.normal(0, 1, moved.shape)
        shown = noise.permutation(50)[: 50 if index == 0 else 45]
        identities = tracker.update(moved[shown], 40.0 * index)
        found = dict(zip(shown.tolist(), identities, strict=True))
        first = first or found
        assert found == {face: first[face] for face in found}
    assert len(tracker.alive) == 50


@pytest.mark.parametrize("back_to_ms", [360.0, 0.0, -1e9])
def test_a_clock_that_stands_still_or_goes_back_ends_no_track(back_to_ms):
    tracker = Tracker(forget_ms=500)
    for index in range(10):
        tracker.update([box(6.0 * index)], 40.0 * index)
    for _ in range(3):
        assert tracker.update([box(54)], back_to_ms) == [1]
    # From there time goes on, and so do motion and forgetting.
    assert tracker.update([box(56)], back_to_ms + 40) == [1]
    tracker.update([], back_to_ms + 541)
    assert tracker.alive == set()


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
