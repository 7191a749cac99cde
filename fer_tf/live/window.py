"""A HighGUI window: q or Esc quits, space pauses."""

import os
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from fer_tf.errors import OutsideError

TITLE = "fer-tf"
QUIT = frozenset((ord("q"), ord("Q"), 27))
PAUSE = ord(" ")


class Window:
    """Shows frames; of a film at the film's pace, of a camera at once.

    Args:
        in_pace: wait until each frame is due.
        clock: seconds, from any origin.

    Raises:
        OutsideError: there is no display, or this OpenCV draws no windows.
    """

    def __init__(
        self, in_pace: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # OpenCV's Qt ends the whole process where there is no display.
        displays = {"DISPLAY", "WAYLAND_DISPLAY"}
        if sys.platform.startswith("linux") and not displays & os.environ.keys():
            raise OutsideError("there is no display. Use --headless with --out DIR.")
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_AUTOSIZE)
        except cv2.error:
            raise OutsideError(
                "this OpenCV cannot open windows. Use --headless with --out DIR, or "
                "install opencv-python in place of opencv-python-headless."
            ) from None
        self._in_pace = in_pace
        self._clock = clock
        self._start_s: float | None = None

    def __call__(self, frame_bgr: np.ndarray, time_ms: float) -> bool:
        """Show a frame; False when the user has had enough."""
        cv2.imshow(TITLE, frame_bgr)
        key = self._key(self._wait_ms(time_ms))
        if key != PAUSE:
            return key not in QUIT and self._is_open()
        paused_s = self._clock()
        while (key := self._key(50)) not in QUIT | {PAUSE} and self._is_open():
            pass
        if self._start_s is not None:
            self._start_s += self._clock() - paused_s
        return key == PAUSE

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()

    def _wait_ms(self, time_ms: float) -> int:
        now_s = self._clock()
        if self._start_s is None:
            self._start_s = now_s - time_ms / 1000
        due_ms = time_ms - 1000 * (now_s - self._start_s)
        return max(1, round(due_ms)) if self._in_pace else 1

    def _key(self, wait_ms: int) -> int:
        return cv2.waitKey(wait_ms) & 0xFF

    def _is_open(self) -> bool:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
