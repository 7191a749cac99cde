"""Live framing is fitted on training pictures, and cuts what they show."""

import cv2
import numpy as np
import pytest

from fer_tf.errors import CheckFailed
from fer_tf.live import framing
from fer_tf.live.detection import Detection
from fer_tf.picture import decode
from fer_tf.preprocess import cut
from fer_tf.preprocess import fit_framing
from fer_tf.preprocess import square_around
from fer_tf.sources import drawn


def white(frame_bgr):
    """A detector that takes what is white for a face."""
    mask = (frame_bgr.min(axis=2) > 200).astype(np.uint8)
    if not mask.any():
        return []
    box = np.array(cv2.boundingRect(mask), float)
    return [Detection(box, np.zeros((5, 2)), score=1.0)]


def with_face(side, x, y, width, height):
    picture = np.full((side, side, 3), 90, np.uint8)
    picture[y : y + height, x : x + width] = 255
    return picture


def test_a_face_is_found_where_it_is_in_a_small_picture():
    found = framing.find(with_face(48, 10, 6, 28, 36), white)
    np.testing.assert_allclose(found, [10, 6, 28, 36], atol=0.6)


def test_the_framing_of_pictures_with_the_same_face_is_that_face():
    pictures = [
        with_face(side, side // 4, side // 6, side // 2, side // 2)
        for side in (48, 96, 120)
    ]
    fitted, report = framing.fit(pictures, white)
    assert report["looked_at"] == report["n"] == 3
    assert fitted.scale == pytest.approx(2.0, abs=0.06)
    assert fitted.dx == pytest.approx(0.0, abs=0.03)
    assert fitted.dy == pytest.approx(1 / 6, abs=0.04)


def test_too_few_faces_are_not_enough_to_fit_on():
    pictures = [np.zeros((48, 48, 3), np.uint8)] * 9 + [with_face(48, 10, 6, 28, 36)]
    with pytest.raises(CheckFailed, match="1 of 10"):
        framing.fit(pictures, white)


@pytest.mark.parametrize("seed", range(3))
def test_live_cuts_the_training_picture_out_of_a_frame(seed):
    """Train on a picture, hold it before a camera, and the model sees it again."""
    record = next(drawn.records(35, seed))
    picture = decode(record.image)
    box = np.array(record.box_xywh_px)
    fitted, _ = fit_framing(box[None], np.array([picture.shape[1::-1]]))
    frame = np.full((480, 640, 3), 128, np.uint8)
    left, top, side = 200, 150, len(picture)
    frame[top : top + side, left : left + side] = picture
    found = cut(frame, square_around(box + [left, top, 0, 0], fitted))
    np.testing.assert_array_equal(found, picture)


@pytest.mark.shared
def test_yunet_finds_drawn_training_pictures(detector_model):
    from fer_tf.live import yunet

    records = list(drawn.records(35, 1))
    by_detector, report = framing.fit(
        [decode(record.image) for record in records], yunet.load(detector_model)
    )
    by_renderer, _ = fit_framing(
        np.array([record.box_xywh_px for record in records]), np.full((35, 2), 96)
    )
    assert report["n"] >= 30
    assert by_detector.scale == pytest.approx(by_renderer.scale, abs=0.06)
    assert by_detector.dy == pytest.approx(by_renderer.dy, abs=0.05)
