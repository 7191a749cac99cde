"""Stand-ins behind the live view's interfaces: a classifier of colours, a film."""

import types
from dataclasses import dataclass

import numpy as np
import pytest

from fer_tf.config import LiveConfig
from fer_tf.live import loop
from fer_tf.live.detection import no_detector
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.rehearsal import AnnotatedSource
from fer_tf.live.rehearsal import detect_annotated
from fer_tf.preprocess import FaceSpec
from fer_tf.quality import ACCEPT_ALL
from fer_tf.runtime.bundle import Abstain
from fer_tf.runtime.bundle import Bundle

GREY = 90
# What the classifier of colours takes a colour for, in RGB.
COLOURS = {"Angry": (250, 0, 0), "Happy": (0, 250, 0), "Sad": (0, 0, 250)}


class ColourClassifier:
    """Answers with the colour of a crop's middle; nothing else has so clear an oracle.

    It keeps the crops of each call.
    """

    def __init__(self, bundle):
        self.bundle = bundle
        self.calls = []

    def __call__(self, crops):
        self.calls.append(list(crops))
        rows = [self._answer(crop) for crop in crops]
        return np.array(rows, np.float32).reshape(-1, 7)

    def _answer(self, crop):
        red, green, blue = crop[crop.shape[0] // 2, crop.shape[1] // 2] / 250
        answer = np.array([red, 0, 0, green, blue, 0, 0]) * 0.8 + 0.02
        return answer / answer.sum()


@dataclass(frozen=True)
class FilmFrame:
    """A frame of a film whose faces are known."""

    pixels_bgr: np.ndarray
    time_ms: float
    boxes_xywh_px: tuple
    labels: tuple


def paint(size_wh, boxes, labels, time_ms=0.0):
    """A grey frame with a square of each label's colour in its box."""
    pixels = np.full((size_wh[1], size_wh[0], 3), GREY, np.uint8)
    for (x, y, width, height), label in zip(boxes, labels, strict=True):
        pixels[y:y + height, x:x + width] = COLOURS[label][::-1]
    return FilmFrame(pixels, time_ms, tuple(boxes), tuple(labels))


@pytest.fixture
def bundle(tmp_path):
    """What is known of a bundle that no file belongs to."""
    return Bundle(
        folder=tmp_path,
        name="colours",
        smoke=False,
        face=FaceSpec(size=32),
        output="probabilities",
        precision="float32",
        temperature=1.0,
        abstain=Abstain(0.5, 0.9, "validation"),
        metrics={},
        versions={},
        commit="",
        data={},
        sha256={},
    )


@pytest.fixture
def classifier(bundle):
    """The classifier of colours."""
    return ColourClassifier(bundle)


@pytest.fixture
def film():
    """Two faces for two seconds: Angry, Happy from 1 s on; and Sad. None at 0.48 s."""
    frames = []
    for index in range(50):
        time_ms = 40.0 * index
        first = "Angry" if time_ms < 1000 else "Happy"
        boxes, labels = [(20 + index, 40, 40, 40), (180, 60, 50, 50)], [first, "Sad"]
        if index == 12:
            boxes, labels = [], []
        frames.append(paint((320, 240), boxes, labels, time_ms))
    return frames


@pytest.fixture
def stage(film, classifier):
    """An annotated film, its recogniser, and the reader of it; nothing is smoothed."""
    scripted = AnnotatedSource(film)
    # Squares of one color are no faces that could be used.
    recogniser = Recogniser(no_detector, classifier, thresholds=ACCEPT_ALL)
    live = LiveConfig(smoothing_ms=0, hysteresis=0, hold_ms=0)
    reader = loop.Reader(recogniser, live, detect=detect_annotated)
    return types.SimpleNamespace(
        scripted=scripted, recogniser=recogniser, reader=reader, live=live
    )
