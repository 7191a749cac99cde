"""Videos of what a live source shows, at the times at which it was seen.

The clean one is lossless, so that what is read of it again is what was seen.
"""

import logging
import shutil
from pathlib import Path

from fer_tf.live import interrupts
from fer_tf.live import overlay
from fer_tf.live import video_writer
from fer_tf.live.frames import Silence
from fer_tf.live.view import View

# Video files end before the disk is full, so that the tables can go on.
MIN_FREE_BYTES = 200_000_000

log = logging.getLogger(__name__)


class Recorder:
    """Appends the frames of views to a lossless video, while it is on.

    Each frame has its own time, so the video lasts as long as what it shows; only the
    time in which the recorder is off is left out. The file is created with the first
    frame; of a process that is killed it lacks the last moments.

    Args:
        rate: nominal frames per second.
        on: record from the first frame, at the times of the source.
    """

    def __init__(self, path: Path, rate: float, on: bool = True) -> None:
        self.path = path
        self.on = on
        self._writer = video_writer.VideoWriter(path, rate, video_writer.LOSSLESS)
        self._shape: tuple[int, ...] | None = None
        # What the source's times are ahead of the video's; None after a pause.
        self._shift_ms: float | None = 0.0 if on else None
        self._next_ms = 0.0
        self._interval_ms = 1000 / rate

    def __call__(self, view: View) -> int | None:
        """Record a view's frame and return its number in the video; None if off."""
        if not self.on:
            self._shift_ms = None
            return None
        frame = view.frame
        self._shape = self._shape or frame.pixels_bgr.shape
        if frame.pixels_bgr.shape != self._shape:
            log.warning(
                "frame %d is not recorded: it is %s, the video %s.",
                frame.index,
                frame.pixels_bgr.shape,
                self._shape,
            )
            return None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.on = _has_room(self.path)
        if not self.on:
            return None
        return self._append(view)

    def toggle(self) -> None:
        """Go on recording, or leave out what comes now."""
        self.on = not self.on

    @property
    def film(self) -> Path | None:
        """The video; None before a frame has been recorded."""
        return self.path if self._writer.frames else None

    def close(self) -> None:
        """Finish the video."""
        self._writer.close()

    def _append(self, view: View) -> int:
        time_ms = view.frame.time_ms
        if self._shift_ms is None:
            self._shift_ms = time_ms - self._next_ms
        time_ms -= self._shift_ms
        self._writer.write(view.frame.pixels_bgr, time_ms)
        self._next_ms = time_ms + self._interval_ms
        return self._writer.frames - 1


class Annotator:
    """Appends views to a video that browsers play, with the results drawn on them.

    Args:
        writer: a writer of `path`.
    """

    def __init__(self, writer: video_writer.VideoWriter, path: Path) -> None:
        self._writer = writer
        self._path = path
        self._on = True

    def __call__(self, seen: View | Silence) -> bool:
        """Append a view; return True, since it never ends the session."""
        if self._on and isinstance(seen, View):
            self._on = _has_room(self._path)
            if self._on:
                drawn = overlay.draw(seen)
                with interrupts.deferred():
                    self._writer.write(drawn, seen.frame.time_ms)
        return True


def _has_room(path: Path) -> bool:
    """Return whether a video may grow; log an error if it may not."""
    if shutil.disk_usage(path.parent).free >= MIN_FREE_BYTES:
        return True
    log.error("%s ends here: the disk is nearly full.", path)
    return False
