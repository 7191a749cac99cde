"""What a face detector returns, and the interfaces of detectors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from typing import runtime_checkable

import numpy as np

from fer_tf.live.frames import Frame


@dataclass(frozen=True, eq=False)
class Detection:
    """A face found in a frame.

    Attributes:
        box_xywh_px: float [4]: left, top, width, height; may reach beyond the frame.
        landmarks_px: float [5, 2]: the subject's right eye, left eye, nose tip, right
            and left corner of the mouth.
        score: how sure the detector is, in 0..1.
    """

    box_xywh_px: np.ndarray
    landmarks_px: np.ndarray
    score: float


class Detector(Protocol):
    """Anything that finds faces."""

    def __call__(self, frame_bgr: np.ndarray) -> list[Detection]:
        """Return the faces in a frame, uint8 [height, width, 3]."""


@runtime_checkable
class ImageDetector(Detector, Protocol):
    """A detector that takes more time for an image than for a frame of a video."""

    def detect_image(self, image_bgr: np.ndarray) -> list[Detection]:
        """Return the faces in an image, uint8 [height, width, 3], also small ones."""


# Finds the faces of a frame that a source yielded.
FrameDetector = Callable[[Frame], list[Detection]]


def no_detector(frame_bgr: np.ndarray) -> list[Detection]:
    """Stand in for the detector where all detections come from elsewhere.

    Raises:
        ValueError: Always, because a call is a programming error.
    """
    raise ValueError("this recogniser only classifies detections that it is given.")
