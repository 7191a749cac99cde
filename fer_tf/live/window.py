"""A HighGUI window: shows views and hands keys on; q or Esc quits, space pauses."""

import ctypes
import dataclasses
import os
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from fer_tf.errors import OutsideError
from fer_tf.live import overlay
from fer_tf.live.controls import Controls
from fer_tf.live.frames import Frame
from fer_tf.live.frames import Silence
from fer_tf.live.view import View

TITLE = "fer-tf"
QUIT = ("q", "\x1b")
PAUSE = " "
PAUSED_MS = 50
# Between two waits for a key it is seen that the window was closed.
LONGEST_WAIT_MS = 1000
# What is drawn on for the window, and the window's own size at first, at most.
MOST_PX = 1920
FIRST_SIZE = (1280, 720)
NO_FRAME_YET = (640, 480)
# Low bits of a key's code; beyond ASCII lie arrows and the like, which do nothing.
CODE = 0xFFFF
ASCII = 0x80


def _display_opens() -> bool:
    """Tell whether Qt, as OpenCV brings it, can open the X display."""
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    # An empty DISPLAY is no display to Qt, and some to Xlib.
    display = os.environ.get("DISPLAY") and x11.XOpenDisplay(None)
    if display:
        x11.XCloseDisplay(display)
    return bool(display)


class Window:
    """Shows what is read: a video at its own pace, a camera at once.

    A frame is shown from its time to the next frame's time, as in every video that is
    written.

    Args:
        controls: what keys change, and how it is shown.
        clock: seconds, from any origin.

    Raises:
        OutsideError: there is no display, or this OpenCV draws no windows.
    """

    def __init__(
        self,
        controls: Controls,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # OpenCV's Qt ends the whole process where it cannot open a display.
        if sys.platform.startswith("linux") and not _display_opens():
            raise OutsideError(
                "there is no X display that opens, DISPLAY is "
                f"{os.environ.get('DISPLAY', '')!r}. Use --headless with --out DIR."
            )
        kind = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
        try:
            cv2.namedWindow(TITLE, kind)
        except cv2.error:
            raise OutsideError(
                "this OpenCV cannot open windows. Use --headless with --out DIR, or "
                "install opencv-python in place of opencv-python-headless."
            ) from None
        self._controls = controls
        self._clock = clock
        self._start_s: float | None = None
        self._size: tuple[int, int] | None = None
        self._draw_ms = 0.0

    def __call__(self, seen: View | Silence) -> bool:
        """Show what was seen; False when the user has had enough."""
        if isinstance(seen, Silence):
            return self._show_silence(seen)
        self._show(seen)
        while True:
            left_ms = self._left_ms(seen.frame)
            key = self._key(min(max(1, left_ms), LONGEST_WAIT_MS))
            if key == PAUSE:
                key = self._pause(seen)
            if not self._goes_on(key, seen):
                return False
            if key and self._left_ms(seen.frame):
                # It has changed by the key, and is not over yet.
                self._show(seen)
            elif key or left_ms <= LONGEST_WAIT_MS:
                return True

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()

    def _goes_on(self, key: str, view: View | None) -> bool:
        """Do what a key asks for; False if it is to quit, or the window is closed."""
        if key in QUIT or not self._is_open():
            return False
        if key == "s" and view:
            self._controls.save(self._drawn(view), view.frame.index)
        elif key:
            self._controls.press(key)
        return True

    def _pause(self, view: View) -> str:
        """Show a view until space is pressed, or what quits; return the latter."""
        paused_s = self._clock()
        key = ""
        while key != PAUSE and self._goes_on(key, view):
            self._show(view, "paused")
            key = self._key(PAUSED_MS)
        if self._start_s is not None:
            self._start_s += self._clock() - paused_s
        return "" if key == PAUSE else key

    def _show(self, view: View, *notes: str) -> None:
        start = self._clock()
        self._imshow(self._drawn(view, *notes))
        self._draw_ms = 1000 * (self._clock() - start)

    def _drawn(self, view: View, *notes: str) -> np.ndarray:
        look = dataclasses.replace(
            self._controls.look(*notes), more_ms=(("draw", self._draw_ms),)
        )
        return overlay.draw(view, look, MOST_PX)

    def _show_silence(self, silence: Silence) -> bool:
        if silence.why:
            size = self._size or NO_FRAME_YET
            self._imshow(overlay.draw_silence(silence, size, self._controls.look()))
        return self._goes_on(self._key(1), None)

    def _imshow(self, drawn: np.ndarray) -> None:
        width, height = drawn.shape[1::-1]
        # The window keeps the proportions that it is given, not those of the frames.
        if self._size != (width, height):
            factor = min(1.0, FIRST_SIZE[0] / width, FIRST_SIZE[1] / height)
            size = (max(1, round(side * factor)) for side in (width, height))
            cv2.resizeWindow(TITLE, *size)
            self._size = (width, height)
        cv2.imshow(TITLE, drawn)

    def _left_ms(self, frame: Frame) -> int:
        """Return for how long a frame is still to be seen."""
        if frame.duration_ms is None:
            return 0
        now_s = self._clock()
        if self._start_s is None:
            self._start_s = now_s - frame.time_ms / 1000
        over_ms = frame.time_ms + frame.duration_ms
        return max(0, round(over_ms - 1000 * (now_s - self._start_s)))

    def _key(self, wait_ms: int) -> str:
        """Return the key that is pressed within a time, in lower case; "" if none."""
        code = cv2.waitKeyEx(wait_ms)
        code = code & CODE if code >= 0 else ASCII
        return chr(code).lower() if code < ASCII else ""

    def _is_open(self) -> bool:
        try:
            return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:
            # OpenCV's Qt ends with its last window.
            return False
