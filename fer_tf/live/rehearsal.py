"""A live session on a film of drawn faces: no camera, no detector, nobody's picture.

The renderer knows where it drew each face, and says so through the detector's
interface; everything behind the detector is the live view itself.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import Protocol

import numpy as np

from fer_tf.config import LiveConfig
from fer_tf.live import play
from fer_tf.live.detection import Detection
from fer_tf.live.frames import Frame
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.recogniser import find_bundle
from fer_tf.runtime.classifier import Classifier

RATE = 25
SECONDS = 12.0


class LabelledFrame(Protocol):
    """A frame whose faces are known: a box and a label for each."""

    pixels_bgr: np.ndarray
    time_ms: float
    boxes_xywh_px: Sequence[Sequence[float]]
    labels: Sequence[str]


class ScriptedDetector:
    """A source of frames, and the detector that knows where the faces in them are."""

    is_live = False

    def __init__(self, film: Iterable[LabelledFrame], rate: float = RATE) -> None:
        self.rate = rate
        self._film = film
        self._current: LabelledFrame | None = None

    def __iter__(self) -> Iterator[Frame]:
        for index, self._current in enumerate(self._film):
            yield Frame(index, self._current.time_ms, self._current.pixels_bgr)

    def __call__(self, frame_bgr: np.ndarray) -> list[Detection]:
        """Return the faces of the frame that was yielded last."""
        if self._current is None or frame_bgr is not self._current.pixels_bgr:
            raise ValueError("the scripted detector knows the last frame it yielded.")
        boxes = np.asarray(self._current.boxes_xywh_px, float).reshape(-1, 4)
        return [Detection(box, _five_points(box), score=1.0) for box in boxes]

    def truth(self, frame: Frame, face: int) -> str:
        """Return the label of the n-th face of the frame that was yielded last."""
        return self._current.labels[face]

    def close(self) -> None:
        """Do nothing: no file is open."""


def _five_points(box_xywh_px: np.ndarray) -> np.ndarray:
    """Return landmarks [5, 2] where an upright face has them."""
    share = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return box_xywh_px[:2] + share * box_xywh_px[2:]


def rehearse(
    folder: Path,
    bundle: Path,
    live: LiveConfig,
    *,
    seed: int = 0,
    seconds: float = SECONDS,
    film: Iterable[LabelledFrame] | None = None,
) -> dict[str, Any]:
    """Write the session of a film of drawn faces into `folder`.

    Args:
        bundle: the exported bundle's folder.
        seed: of the film; another seed, other faces.
        film: another film in place of the drawn one.

    Returns:
        Counts and median latencies, as `play.play` returns them.
    """
    if film is None:
        from fer_tf.sources import drawn_film

        film = drawn_film.film(seed, seconds, frames_per_second=RATE)
    scripted = ScriptedDetector(film)
    recogniser = Recogniser(scripted, Classifier(find_bundle(bundle)))
    return play.play(
        scripted,
        recogniser,
        live,
        name=f"drawn film, seed {seed}",
        folder=folder,
        truth=scripted.truth,
    )
