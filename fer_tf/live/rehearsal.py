"""A live session on a synthetic video: no camera, no detector, no real person.

The renderer annotates each frame with the boxes and labels of its faces, and the
detections are read from there. All that follows detection is the live view itself.
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
from fer_tf.live.annotations import Annotation
from fer_tf.live.detection import Detection
from fer_tf.live.detection import no_detector
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


class AnnotatedSource:
    """A source of frames that carry the ground truth of their faces."""

    is_live = False

    def __init__(self, film: Iterable[LabelledFrame], rate: float = RATE) -> None:
        self.rate = rate
        self._film = film

    def __iter__(self) -> Iterator[Frame]:
        for index, frame in enumerate(self._film):
            faces = zip(frame.boxes_xywh_px, frame.labels, strict=True)
            annotations = tuple(Annotation(tuple(box), label) for box, label in faces)
            yield Frame(index, frame.time_ms, frame.pixels_bgr, annotations)

    def close(self) -> None:
        """Do nothing: no file is open."""


def detect_annotated(frame: Frame) -> list[Detection]:
    """Return the annotated faces of a frame as a perfect detector would."""
    boxes = [np.array(face.box_xywh_px, float) for face in frame.annotations]
    return [Detection(box, _five_points(box), score=1.0) for box in boxes]


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
    return play.play(
        AnnotatedSource(film),
        Recogniser(no_detector, Classifier(find_bundle(bundle))),
        live,
        name=f"drawn film, seed {seed}",
        folder=folder,
        detect=detect_annotated,
    )
