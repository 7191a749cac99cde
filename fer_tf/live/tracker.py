"""Identities that stay with a face from frame to frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_IOU = 0.2


@dataclass
class Track:
    """A face that is followed: where it was last seen, and how it moves."""

    face_id: int
    box_xywh_px: np.ndarray
    seen_ms: float
    velocity_px_per_ms: np.ndarray

    def predict(self, time_ms: float) -> np.ndarray:
        """Return where the box should be by now, if it moves on as it did."""
        box = self.box_xywh_px.copy()
        box[:2] += self.velocity_px_per_ms * (time_ms - self.seen_ms)
        return box

    def see(self, box_xywh_px: np.ndarray, time_ms: float) -> None:
        """Take a new box; half of what it says of the velocity is believed."""
        elapsed = time_ms - self.seen_ms
        if elapsed > 0:
            moved = _centre(box_xywh_px) - _centre(self.box_xywh_px)
            self.velocity_px_per_ms = (self.velocity_px_per_ms + moved / elapsed) / 2
        self.box_xywh_px = np.array(box_xywh_px, float)
        self.seen_ms = time_ms


class Tracker:
    """Gives each box of a frame the identity of the face it belongs to.

    Boxes and tracks are paired greedily, the best overlap (IoU) first, where each
    track is expected to have moved on with constant velocity. An identity is never
    given twice.

    Args:
        forget_ms: a track ends when its face has not been seen for longer.
    """

    def __init__(self, forget_ms: float = 500.0) -> None:
        self._forget_ms = forget_ms
        self._tracks: list[Track] = []
        self._next_id = 1

    @property
    def alive(self) -> set[int]:
        """The identities that have not ended."""
        return {track.face_id for track in self._tracks}

    def update(self, boxes_xywh_px: Sequence[np.ndarray], time_ms: float) -> list[int]:
        """Return the identity of each box of the frame at `time_ms`."""
        self._tracks = [
            track
            for track in self._tracks
            if time_ms - track.seen_ms <= self._forget_ms
        ]
        pairs = self._pair(boxes_xywh_px, time_ms)
        identities = []
        for index, box in enumerate(boxes_xywh_px):
            track = pairs.get(index) or self._begin(box, time_ms)
            track.see(box, time_ms)
            identities.append(track.face_id)
        return identities

    def _pair(
        self, boxes_xywh_px: Sequence[np.ndarray], time_ms: float
    ) -> dict[int, Track]:
        """Return the track of each box that has one, by the box's index."""
        predicted = [track.predict(time_ms) for track in self._tracks]
        candidates = sorted(
            (
                (iou(box, expected), box_index, track_index)
                for box_index, box in enumerate(boxes_xywh_px)
                for track_index, expected in enumerate(predicted)
            ),
            reverse=True,
        )
        pairs: dict[int, Track] = {}
        taken: set[int] = set()
        for overlap, box_index, track_index in candidates:
            free = box_index not in pairs and track_index not in taken
            if free and overlap >= LEAST_IOU:
                pairs[box_index] = self._tracks[track_index]
                taken.add(track_index)
        return pairs

    def _begin(self, box_xywh_px: np.ndarray, time_ms: float) -> Track:
        track = Track(self._next_id, np.array(box_xywh_px, float), time_ms, np.zeros(2))
        self._next_id += 1
        self._tracks.append(track)
        return track


def _centre(box_xywh_px: np.ndarray) -> np.ndarray:
    return np.asarray(box_xywh_px[:2]) + np.asarray(box_xywh_px[2:]) / 2


def iou(first_xywh: np.ndarray, second_xywh: np.ndarray) -> float:
    """Return the area that two boxes share, as a fraction of all they cover."""
    x, y, width, height = (float(value) for value in first_xywh)
    u, v, other_width, other_height = (float(value) for value in second_xywh)
    across = min(x + width, u + other_width) - max(x, u)
    down = min(y + height, v + other_height) - max(y, v)
    shared = max(0.0, across) * max(0.0, down)
    covered = width * height + other_width * other_height - shared
    return shared / covered if covered > 0 else 0.0
