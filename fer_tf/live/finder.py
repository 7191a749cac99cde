"""Where the faces of a frame are: seen by the detector, or carried by optical flow."""

import dataclasses
from collections.abc import Sequence
from itertools import product

import cv2
import numpy as np

from fer_tf.live.detection import Detection
from fer_tf.live.detection import FrameDetector
from fer_tf.live.frames import Frame
from fer_tf.live.yunet import resize

# Points are followed in frames whose longer side is this.
SIDE_PX = 320
# A face is followed by a grid of points, spread over the middle of its box,
GRID = np.array(list(product(np.linspace(0.2, 0.8, 6), repeat=2)), np.float32)
# each by a window around it;
WINDOW = (15, 15)
# those that the flow backwards brings home, to so many pixels,
HOME_PX = 1.0
# and as long as so many of them come home.
LEAST_SHARE = 0.5


class Finder:
    """Finds the faces of a source's frames, one frame after the other.

    The detector looks at every `every`-th frame. In between boxes are carried by
    optical flow, which sees no new face; as soon as one is lost, or after a gap of more
    than `longest_gap_ms`, the detector looks.
    """

    def __init__(
        self, detector: FrameDetector, every: int = 1, longest_gap_ms: float = 500.0
    ) -> None:
        self._detector = detector
        self._every = every
        self._longest_gap_ms = longest_gap_ms
        self._time_ms = 0.0
        self._since = every
        self._grey = np.empty((0, 0), np.uint8)
        self._found: list[Detection] = []

    def forget(self) -> None:
        """Propagate no face any further: the detector looks at the next frame."""
        self._since = self._every
        self._found = []

    def __call__(self, frame: Frame) -> list[Detection]:
        """Return the faces in the next frame of the source."""
        if self._every == 1:
            return self._detector(frame)
        grey, scale = _small_grey(frame.pixels_bgr)
        self._since += 1
        is_next = (
            self._since < self._every
            and frame.time_ms - self._time_ms <= self._longest_gap_ms
            and grey.shape == self._grey.shape
        )
        carried = None
        if is_next:
            carried = carry(self._grey, grey, self._found, scale)
        if carried is None:
            carried, self._since = self._detector(frame), 0
        self._grey, self._found, self._time_ms = grey, carried, frame.time_ms
        return carried


def _small_grey(frame_bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a small grey frame, and [x, y], its pixels per pixel of the original."""
    grey = cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2GRAY)
    return resize(grey, min(SIDE_PX, max(grey.shape)))


def carry(
    before: np.ndarray,
    after: np.ndarray,
    faces: Sequence[Detection],
    scale: np.ndarray,
) -> list[Detection] | None:
    """Carry faces from one frame to the next; None when one of them is lost.

    By pyramidal Lucas-Kanade flow there and back: points that do not come home are not
    believed (Kalal et al. 2010, "Forward-Backward Error"), and the others say how the
    face moved and grew.

    Args:
        before: the frame in which the faces are, grey uint8 [height, width].
        after: the next frame, of the same size.
        scale: [x, y], pixels of these two per pixel of the faces' boxes.
    """
    if not faces:
        return []
    boxes = np.array([face.box_xywh_px for face in faces])
    grids = (boxes[:, None, :2] + GRID * boxes[:, None, 2:]) * scale
    points = grids.reshape(-1, 1, 2).astype(np.float32)
    there = _flow(before, after, points)
    home = _flow(after, before, there)
    is_home = (np.linalg.norm(home - points, axis=2) < HOME_PX).reshape(len(faces), -1)
    ends = there.reshape(grids.shape) / scale
    moved = [
        _moved(face, grid[kept], end[kept])
        for face, grid, end, kept in zip(
            faces, grids / scale, ends, is_home, strict=True
        )
    ]
    return None if None in moved else moved


def _flow(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> np.ndarray:
    return cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=WINDOW)[0]


def _moved(face: Detection, starts: np.ndarray, ends: np.ndarray) -> Detection | None:
    """Move a face as points [n, 2] of it did, without turning it."""
    if len(starts) < LEAST_SHARE * len(GRID):
        return None
    origin = np.median(starts, axis=0)
    centre = np.median(ends, axis=0)
    spread = np.abs(starts - origin).sum()
    growth = np.abs(ends - centre).sum() / spread if spread > 0 else 1.0

    def move(points: np.ndarray) -> np.ndarray:
        return (points - origin) * growth + centre

    corner, size = face.box_xywh_px[:2], face.box_xywh_px[2:]
    return dataclasses.replace(
        face,
        box_xywh_px=np.concatenate([move(corner), size * growth]),
        landmarks_px=move(face.landmarks_px),
    )
