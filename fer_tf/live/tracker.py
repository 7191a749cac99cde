"""Identities that stay with a face from frame to frame."""

from collections.abc import Sequence

import numpy as np

from fer_tf.live.assignment import assign

LEAST_IOU = 0.2
# All in sides of the face's box: how far a detector's box is off, how fast a face that
# appears may be (per second), and how much its velocity wanders in a second.
BOX_NOISE = 0.04
FIRST_SPEED = 3.0
SPEED_WANDERS = 1.5
# A face that was hidden for so long has half the claim to a box.
SEEN_OF_LATE_MS = 500.0


class Track:
    """A face that is followed: where it was last seen, and how it moves.

    Its centre moves with constant velocity but for white acceleration, along x and y
    alike: a Kalman filter of position and velocity, as SORT has (Bewley et al. 2016,
    arXiv:1602.00763), in seconds rather than frames.

    Attributes:
        unseen_ms: how long ago the face was last seen.
    """

    def __init__(self, face_id: int, box_xywh_px: np.ndarray) -> None:
        self.face_id = face_id
        self.unseen_ms = 0.0
        self._size_px = np.array(box_xywh_px[2:], float)
        # Rows are position and velocity, columns x and y.
        self._mean = np.stack([_centre(box_xywh_px), np.zeros(2)])
        # In sides of the face, so that a large face may be off by more.
        self._covariance = np.diag([BOX_NOISE**2, FIRST_SPEED**2])

    @property
    def box_xywh_px(self) -> np.ndarray:
        """Where the box should be by now, if the face moves on as it did."""
        return np.concatenate([self._mean[0] - self._size_px / 2, self._size_px])

    def advance(self, elapsed_ms: float) -> None:
        """Let `elapsed_ms` pass: x = F x, P = F P F' + Q."""
        elapsed_s = elapsed_ms / 1000
        step = np.array([[1.0, elapsed_s], [0.0, 1.0]])
        wander = np.array(
            [[elapsed_s**3 / 3, elapsed_s**2 / 2], [elapsed_s**2 / 2, elapsed_s]]
        )
        self._mean = step @ self._mean
        self._covariance = step @ self._covariance @ step.T
        self._covariance += SPEED_WANDERS**2 * wander
        self.unseen_ms += elapsed_ms

    def see(self, box_xywh_px: np.ndarray) -> None:
        """Take the box of this moment: K = P H' / (H P H' + R)."""
        gain = self._covariance[:, 0] / (self._covariance[0, 0] + BOX_NOISE**2)
        self._mean += np.outer(gain, _centre(box_xywh_px) - self._mean[0])
        self._covariance -= np.outer(gain, self._covariance[0])
        self._size_px = np.array(box_xywh_px[2:], float)
        self.unseen_ms = 0.0


class Tracker:
    """Gives each box of a frame the identity of the face it belongs to.

    Boxes are paired with where the tracks should be by now, such that the sum of their
    overlaps (IoU) is the largest. An identity is never given twice. Time that stands
    still or goes back is no time.

    Args:
        forget_ms: a track ends when its face has not been seen for longer.
    """

    def __init__(self, forget_ms: float = 500.0) -> None:
        self._forget_ms = forget_ms
        self._tracks: list[Track] = []
        self._next_id = 1
        self._time_ms: float | None = None

    @property
    def alive(self) -> set[int]:
        """The identities that have not ended."""
        return {track.face_id for track in self._tracks}

    def end_all(self) -> None:
        """End all tracks: no later box continues one of them."""
        self._tracks = []

    def update(self, boxes_xywh_px: Sequence[np.ndarray], time_ms: float) -> list[int]:
        """Return the identity of each box of the frame at `time_ms`."""
        self._advance(time_ms)
        pairs = self._pair(boxes_xywh_px)
        identities = []
        for index, box in enumerate(boxes_xywh_px):
            track = pairs.get(index)
            if track:
                track.see(box)
            else:
                track = self._begin(box)
            identities.append(track.face_id)
        return identities

    def _advance(self, time_ms: float) -> None:
        before_ms = time_ms if self._time_ms is None else self._time_ms
        elapsed_ms = max(0.0, time_ms - before_ms)
        self._time_ms = time_ms
        for track in self._tracks:
            track.advance(elapsed_ms)
        self._tracks = [
            track for track in self._tracks if track.unseen_ms <= self._forget_ms
        ]

    def _pair(self, boxes_xywh_px: Sequence[np.ndarray]) -> dict[int, Track]:
        """Return the track of each box that has one, by the box's index."""
        if not self._tracks or not len(boxes_xywh_px):
            return {}
        expected = np.array([track.box_xywh_px for track in self._tracks])
        overlaps = iou(np.array(boxes_xywh_px, float)[:, None], expected[None])
        overlaps[overlaps < LEAST_IOU] = 0
        # Of two faces in one place, the one seen a moment ago is the one in front.
        unseen_ms = np.array([track.unseen_ms for track in self._tracks])
        claims = overlaps / (1 + unseen_ms / SEEN_OF_LATE_MS)
        return {
            box: self._tracks[track]
            for box, track in assign(claims)
            if overlaps[box, track]
        }

    def _begin(self, box_xywh_px: np.ndarray) -> Track:
        track = Track(self._next_id, np.asarray(box_xywh_px, float))
        self._next_id += 1
        self._tracks.append(track)
        return track


def _centre(box_xywh_px: np.ndarray) -> np.ndarray:
    return np.asarray(box_xywh_px[:2]) + np.asarray(box_xywh_px[2:]) / 2


def iou(first_xywh: np.ndarray, second_xywh: np.ndarray) -> np.ndarray:
    """Return the area that boxes share, as a fraction of all they cover.

    Args:
        first_xywh: [..., 4].
        second_xywh: [..., 4], of shapes that broadcast.
    """
    first, second = np.asarray(first_xywh, float), np.asarray(second_xywh, float)
    left_top = np.maximum(first[..., :2], second[..., :2])
    ends = (first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    shared = np.prod(np.maximum(np.minimum(*ends) - left_top, 0), axis=-1)
    covered = np.prod(first[..., 2:], axis=-1) + np.prod(second[..., 2:], axis=-1)
    covered = covered - shared
    return np.divide(shared, covered, out=np.zeros_like(covered), where=covered > 0)
