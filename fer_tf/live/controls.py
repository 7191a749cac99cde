"""What the keys of the live window do."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fer_tf import files
from fer_tf import picture
from fer_tf.labels import CLASSES
from fer_tf.live.loop import Reader
from fer_tf.live.overlay import Look
from fer_tf.live.recording import Recorder

log = logging.getLogger(__name__)

HELP = (
    ("q, Esc", "quit"),
    ("space", "pause, go on"),
    ("s", "save this picture"),
    ("r", "record, stop recording"),
    ("c", "CLAHE on, off (what the model sees)"),
    ("+ -", "smooth more, less"),
    ("m", "mirror (what you see)"),
    ("l", "landmarks"),
    ("1 to 4", "true label: " + ", ".join(CLASSES[:4])),
    ("5 to 7", "true label: " + ", ".join(CLASSES[4:])),
    ("0", "no true label"),
    ("h", "this help"),
)
TRUE_LABELS = {"0": ""} | {
    str(number): name for number, name in enumerate(CLASSES, start=1)
}
# What + and - step through, in milliseconds.
SMOOTHINGS_MS = (0, 50, 100, 200, 300, 500, 800, 1200, 2000, 3000)
# How long it is told where a picture or a recording goes.
TOLD_S = 3.0


class Controls:
    """The state that keys change, here and in the reader.

    Args:
        recorder: what r turns on and off.
        folder: where pictures go; made when the first one does.
        clock: seconds, from any origin.
    """

    def __init__(
        self,
        reader: Reader,
        recorder: Recorder,
        folder: Path,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._recorder = recorder
        self._folder = folder
        self._clock = clock
        self._shown = {"m": False, "l": False, "h": False}
        self._told = ("", 0.0)

    def press(self, key: str) -> None:
        """Do what a key asks for, if it asks for anything."""
        if key in self._shown:
            self._shown[key] = not self._shown[key]
        elif key == "c":
            self._reader.toggle_clahe()
        elif key in ("+", "="):
            self._smooth([ms for ms in SMOOTHINGS_MS if ms > self._smoothing_ms][:1])
        elif key == "-":
            self._smooth([ms for ms in SMOOTHINGS_MS if ms < self._smoothing_ms][-1:])
        elif key in TRUE_LABELS:
            self._reader.true_label = TRUE_LABELS[key]
        elif key == "r":
            self._record()

    def save(self, drawn: np.ndarray, index: int) -> None:
        """Save what is shown of the frame `index`, uint8 [height, width, 3], BGR."""
        path = self._folder / f"picture-{index:06d}.png"
        try:
            with files.replacing(path) as temporary:
                temporary.write_bytes(picture.encode_png(drawn[..., ::-1]))
        except OSError as error:
            self._tell(logging.ERROR, f"{path} cannot be saved: {error.strerror}")
        else:
            self._tell(logging.INFO, f"saved {path}")

    def look(self, *notes: str) -> Look:
        """Return what is to be shown by now, beside `notes`."""
        return Look(
            mirror=self._shown["m"],
            landmarks=self._shown["l"],
            help=HELP if self._shown["h"] else (),
            recording=self._recorder.on,
            notes=(*notes, *self._notes()),
        )

    @property
    def _smoothing_ms(self) -> float:
        return self._reader.smoothing_ms

    def _smooth(self, steps: list[int]) -> None:
        if steps:
            self._reader.smoothing_ms = float(steps[0])

    def _record(self) -> None:
        self._recorder.toggle()
        if self._recorder.on:
            self._tell(logging.INFO, f"recording to {self._recorder.path}")

    def _tell(self, level: int, what: str) -> None:
        """Say something in the terminal and, for a while, on the screen."""
        log.log(level, "%s", what)
        self._told = (what, self._clock())

    def _notes(self) -> list[str]:
        """Return lines that say what the keys have changed."""
        notes = []
        if self._reader.clahe != self._reader.taught_with_clahe:
            taught = "with" if self._reader.taught_with_clahe else "without"
            now = "on" if self._reader.clahe else "off"
            notes.append(f"CLAHE {now} (the model was taught {taught} it)")
        if self._smoothing_ms != self._reader.smoothing_ms_asked_for:
            notes.append(f"smoothing {self._smoothing_ms:.0f} ms")
        if self._reader.true_label:
            notes.append(f"true label: {self._reader.true_label}")
        what, told_s = self._told
        if what and self._clock() - told_s < TOLD_S:
            notes.append(what)
        return notes
