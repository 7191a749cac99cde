"""Scene cuts of a video, for the live view: where all tracks end."""

from collections import deque

import numpy as np

from fer_tf.live.frames import Frame
from fer_tf.live.thumbnails import Comparison
from fer_tf.live.thumbnails import compare
from fer_tf.live.thumbnails import could_be_flash
from fer_tf.live.thumbnails import make_thumbnail

# A similarity below this is a cut, if the frames before were a scene: frames of which
# none resembles the one before are none.
MIN_SIMILARITY = 0.58
SCENE = 0.7
# After frames that were alike, from this similarity on, one below that is a cut.
ALIKE = 0.9
MIN_AFTER_ALIKE = 0.7
# One below this, between two still scenes, is a cut as well, but can only be told from
# the beginning of a motion by the frame after it.
MIN_BETWEEN_STILL = 0.93
# How many frames tell whether a scene is still.
HISTORY = 3
# After a longer gap, in frames, a step says nothing: the scene has moved on.
MAX_GAP = 1.5
# A flash lasts no longer.
MAX_FLASH_MS = 250.0
# A frame whose gray levels have a lower standard deviation shows nothing.
MIN_CONTRAST = 0.5


class SceneCuts:
    """Finds the cuts of a video, frame by frame, without looking ahead.

    Most cuts are found at their first frame. One between scenes that look alike is
    found at its second, because the first may as well be the beginning of a motion.
    Flashes and frames without contrast are skipped: the next frame is compared with the
    last one that shows something.
    """

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._thumbnail: np.ndarray | None = None
        # Of the frames of this scene, each with the one before.
        self._scene: deque[Comparison] = deque(maxlen=HISTORY)
        self._time_ms = 0.0
        self._interval_ms = 0.0
        self._may_step = False

    def is_cut(self, frame: Frame) -> bool:
        """Return whether a frame is the first of its scene, or the second.

        The first frame of a source is no cut. A frame of another size is one, since
        boxes of the frames before mean nothing in it.
        """
        resized = self._shape not in ((), frame.pixels_bgr.shape)
        self._shape = frame.pixels_bgr.shape
        before = None if resized else self._thumbnail
        thumbnail = make_thumbnail(frame.pixels_bgr)
        if before is None:
            self._thumbnail = thumbnail
            self._begin(frame)
            return resized
        may_flash = frame.time_ms - self._time_ms <= MAX_FLASH_MS
        if may_flash and could_be_flash(before, thumbnail):
            return False
        if thumbnail.std() < MIN_CONTRAST:
            return False
        self._thumbnail = thumbnail
        cut = self._judge(compare(before, thumbnail), frame.time_ms)
        if cut:
            self._begin(frame)
        return cut

    def _begin(self, frame: Frame) -> None:
        self._scene.clear()
        self._time_ms = frame.time_ms
        self._may_step = False

    def _judge(self, found: Comparison, time_ms: float) -> bool:
        elapsed_ms = time_ms - self._time_ms
        gap = elapsed_ms > MAX_GAP * self._interval_ms > 0
        self._time_ms, self._interval_ms = time_ms, elapsed_ms
        known = len(self._scene) == HISTORY
        before = min((earlier.mean for earlier in self._scene), default=0.0)
        least = MIN_AFTER_ALIKE if known and before >= ALIKE else MIN_SIMILARITY
        if before >= SCENE and found.mean < least or self._may_step and found.still:
            return True
        was_still = known and all(earlier.still for earlier in self._scene)
        step = max(found.mean, found.median) < MIN_BETWEEN_STILL
        self._may_step = was_still and step and not gap
        self._scene.append(found)
        return False
