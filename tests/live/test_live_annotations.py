"""Ground truth belongs to a face by overlap, whatever the order of the faces."""

import cv2
import numpy as np
import pytest

from fer_tf.live import loop
from fer_tf.live.annotations import Annotation
from fer_tf.live.annotations import match_labels
from fer_tf.live.detection import no_detector
from fer_tf.live.frames import Frame
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.rehearsal import detect_annotated

LEFT = Annotation((20, 40, 60, 60), "Angry")
RIGHT = Annotation((200, 60, 70, 70), "Sad")
EVERY = 4


def boxes(*faces):
    return [np.array(face, float) for face in faces]


@pytest.mark.parametrize(
    ("found", "annotations", "expected"),
    [
        (boxes([25, 42, 60, 60], [195, 60, 70, 70]), (LEFT, RIGHT), ["Angry", "Sad"]),
        (boxes([25, 42, 60, 60], [195, 60, 70, 70]), (RIGHT, LEFT), ["Angry", "Sad"]),
        (boxes([195, 60, 70, 70]), (LEFT, RIGHT), ["Sad"]),
        (boxes([25, 42, 60, 60], [195, 60, 70, 70]), (RIGHT,), ["", "Sad"]),
        # 21 of 60 pixels to the right: an IoU of .48.
        (boxes([41, 40, 60, 60]), (LEFT,), [""]),
        # Two detections of one face: the better one has its label.
        (boxes([30, 40, 60, 60], [22, 40, 60, 60]), (LEFT,), ["", "Angry"]),
        (boxes([20, 40, 60, 60]), (), [""]),
        ([], (LEFT,), []),
    ],
)
def test_labels_are_matched_by_overlap_one_to_one(found, annotations, expected):
    assert match_labels(found, annotations) == expected


def test_crossing_faces_keep_their_labels():
    """The nearest annotation of each box alone would give both boxes one label."""
    first, second = (100, 40, 60, 60), (116, 40, 60, 60)
    annotations = (Annotation(second, "Happy"), Annotation(first, "Fear"))
    found = boxes([110, 40, 60, 60], [118, 40, 60, 60])
    assert match_labels(found, annotations) == ["Fear", "Happy"]


def still():
    """A frame with texture, so that optical flow holds its boxes where they are."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ((LEFT, RIGHT), ["Angry", "Sad"]),
        ((RIGHT, LEFT), ["Angry", "Sad"]),
        ((RIGHT,), ["", "Sad"]),
        ((LEFT,), ["Angry", ""]),
        ((), ["", ""]),
        ((Annotation((120, 150, 50, 50), "Fear"), RIGHT, LEFT), ["Angry", "Sad"]),
    ],
)
def test_between_detections_a_label_stays_with_its_face(classifier, later, expected):
    """Faces may leave, come or change their order while boxes are propagated."""
    live = loop.LiveConfig(detect_every=EVERY)
    recogniser = Recogniser(no_detector, classifier)
    reader = loop.Reader(recogniser, live, detect=detect_annotated)
    pixels = still()
    for index in range(EVERY):
        annotations = later if index else (LEFT, RIGHT)
        view = reader(Frame(index, 40.0 * index, pixels, annotations))
        found = [face.true_label for face in view.faces]
        assert found == (expected if index else ["Angry", "Sad"])
    reader.true_label = "Fear"
    view = reader(Frame(EVERY - 1, 40.0 * EVERY, pixels, later or (LEFT,)))
    largest = max(view.faces, key=lambda face: face.face.box_xywh_px[2:].prod())
    assert largest.true_label == "Fear"
