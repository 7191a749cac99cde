"""Faces carried by flow: where they go, when they are lost, and who looks then."""

import cv2
import numpy as np
import pytest

from fer_tf.live import finder
from fer_tf.live.detection import Detection
from fer_tf.live.frames import Frame

BOX = [100.0, 60.0, 80.0, 90.0]
POINTS = [[125.0, 95], [155, 95], [140, 110], [128, 128], [152, 128]]


def face(box=BOX, points=POINTS):
    return Detection(np.array(box), np.array(points), 0.9)


def texture(seed=0):
    """A frame of soft blobs, as flow can follow."""
    noise = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)


def moved(frame, dx=0.0, dy=0.0, zoom=1.0):
    """The frame moved, and grown about the middle of `BOX`."""
    x, y = 140 * (1 - zoom) + dx, 105 * (1 - zoom) + dy
    warp = np.array([[zoom, 0, x], [0, zoom, y]])
    return cv2.warpAffine(frame, warp, (320, 240), borderMode=cv2.BORDER_REFLECT)


class Detector:
    """Counts how often it looks."""

    def __init__(self, faces):
        self.faces = faces
        self.calls = 0

    def __call__(self, frame):
        self.calls += 1
        return self.faces


@pytest.mark.parametrize("size", [(320, 240), (1280, 960), (320, 241)])
@pytest.mark.parametrize("move", [(0, 0, 1.0), (6, -4, 1.0), (3, 2, 1.06)])
def test_a_box_goes_where_the_picture_goes(size, move):
    dx, dy, zoom = move
    frames = [texture(), moved(texture(), dx, dy, zoom)]
    frames = [cv2.resize(frame, size) for frame in frames]
    scale = np.divide(size, (320, 240))
    detector = Detector([face(np.array(BOX) * [*scale, *scale], POINTS * scale)])
    find = finder.Finder(detector, every=2)
    find(Frame(0, 0.0, frames[0]))
    (carried,) = find(Frame(0, 40.0, frames[1]))
    assert detector.calls == 1
    centre = np.array([140, 105]) + [dx, dy]
    size = zoom * np.array([80, 90])
    expected = np.concatenate([centre - size / 2, size])
    np.testing.assert_allclose(
        carried.box_xywh_px / [*scale, *scale], expected, atol=1
    )
    points = (np.array(POINTS) - [140, 105]) * zoom + centre
    np.testing.assert_allclose(carried.landmarks_px / scale, points, atol=1)
    assert carried.score == 0.9


@pytest.mark.parametrize(("every", "looks"), [(1, 9), (2, 5), (3, 3)])
def test_the_detector_looks_at_every_nth_frame(every, looks):
    detector = Detector([face()])
    find = finder.Finder(detector, every)
    for index in range(9):
        assert len(find(Frame(0, 40.0 * index, texture()))) == 1
    assert detector.calls == looks


def test_a_lost_face_makes_the_detector_look_at_once():
    detector = Detector([face()])
    find = finder.Finder(detector, every=10)
    find(Frame(0, 0.0, texture(0)))
    detector.faces = []
    # A cut: nothing of the first frame is in the second.
    assert find(Frame(0, 40.0, texture(1))) == []
    assert detector.calls == 2
    # Where no face is known none can be lost.
    assert find(Frame(0, 80.0, texture(2))) == []
    assert detector.calls == 2


def test_one_of_two_faces_that_is_covered_is_dropped():
    other = face([220.0, 60, 60, 60], np.array(POINTS) + [100, 0])
    detector = Detector([face(), other])
    find = finder.Finder(detector, every=10)
    find(Frame(0, 0.0, texture()))
    covered = texture()
    covered[40:140, 200:300] = 30
    detector.faces = [face()]
    assert len(find(Frame(0, 40.0, covered))) == 1
    assert detector.calls == 2


def test_a_frame_of_another_size_is_looked_at():
    detector = Detector([face()])
    find = finder.Finder(detector, every=10)
    find(Frame(0, 0.0, texture()))
    find(Frame(0, 40.0, cv2.resize(texture(), (320, 200))))
    assert detector.calls == 2


@pytest.mark.parametrize(("gap_ms", "looks"), [(500.0, 1), (501.0, 2)])
def test_after_a_long_gap_the_detector_looks(gap_ms, looks):
    """What a picture of a folder shows is not what the one before it shows."""
    detector = Detector([])
    find = finder.Finder(detector, every=10)
    find(Frame(0, 1000.0, texture()))
    find(Frame(0, 1000.0 + gap_ms, texture()))
    assert detector.calls == looks


@pytest.mark.parametrize("box", [[-30.0, -40, 80, 90], [300.0, 220, 60, 60]])
def test_a_face_that_reaches_beyond_the_frame_does_no_harm(box):
    detector = Detector([face(box)])
    find = finder.Finder(detector, every=3)
    for index in range(4):
        assert len(find(Frame(0, 40.0 * index, texture()))) == 1


def test_fifty_faces_are_carried_in_one_go():
    boxes = [[5 + 30.0 * (n % 10), 5 + 40.0 * (n // 10), 24, 30] for n in range(50)]
    detector = Detector([face(box) for box in boxes])
    find = finder.Finder(detector, every=2)
    find(Frame(0, 0.0, texture()))
    carried = find(Frame(0, 40.0, moved(texture(), 2, 1)))
    assert detector.calls == 1
    shifts = [one.box_xywh_px - box for one, box in zip(carried, boxes, strict=True)]
    np.testing.assert_allclose(np.median(shifts, axis=0), [2, 1, 0, 0], atol=0.3)
