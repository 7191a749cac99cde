"""The live loop: frame, find, classify, track, smooth, log, show.

Clock, camera, recogniser and everything that takes the result are arguments.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from fer_tf.config import LiveConfig
from fer_tf.live import interrupts
from fer_tf.live.annotations import match_labels
from fer_tf.live.detection import FrameDetector
from fer_tf.live.finder import Finder
from fer_tf.live.frames import Frame
from fer_tf.live.frames import Silence
from fer_tf.live.recogniser import Face
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.scene_cuts import SceneCuts
from fer_tf.live.smoothing import Smoother
from fer_tf.live.tracker import Tracker
from fer_tf.live.view import FollowedFace
from fer_tf.live.view import View

log = logging.getLogger(__name__)

Log = Callable[[View], object]
# Shows a view, or that there is none and why; False ends the loop.
Screen = Callable[[View | Silence], bool]

RATE_WINDOW = 30


def run(
    source: Iterable[Frame | Silence],
    reader: "Reader",
    logs: Sequence[Log] = (),
    screens: Sequence[Screen] = (),
) -> None:
    """Read every frame and hand it on; of silences only the screens are told.

    A label is never shown for a frame that was not taken: in a silence nothing is
    read, and what was seen before it is not handed on again.
    """
    told = ""
    for seen in source:
        told = _tell(seen, told)
        view = seen if isinstance(seen, Silence) else reader(seen)
        if isinstance(view, View):
            with interrupts.deferred():
                for keep in logs:
                    keep(view)
        if not all([screen(view) for screen in screens]):
            return


def _tell(seen: Frame | Silence, told: str) -> str:
    """Log that a source falls silent or is back; return what is the matter now."""
    why = seen.why if isinstance(seen, Silence) else ""
    if why and why != told:
        log.warning("%s", why)
    elif told and isinstance(seen, Frame):
        log.warning("frames are coming again")
    return why if why or isinstance(seen, Frame) else told


class Reader:
    """Turns frames into views; it remembers the faces between them.

    Args:
        detect: Finds the faces of a frame; None is the recogniser's own detector.
        clock: seconds, from any origin; stages are timed by it.

    Attributes:
        true_label: The label of the largest face of each frame, which takes precedence
            over the frame's annotations; "" where it is not given.
        smoothing_ms_asked_for: the recipe's time constant.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        live: LiveConfig,
        *,
        detect: FrameDetector | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.true_label = ""
        self.smoothing_ms_asked_for = live.smoothing_ms
        self._recogniser = recogniser
        self._find = Finder(
            detect or (lambda frame: recogniser.detect(frame.pixels_bgr)),
            live.detect_every,
            live.forget_ms,
        )
        self._tracker = Tracker(live.forget_ms)
        self._scene_cuts = SceneCuts()
        self._smoother = Smoother.of(live, recogniser.bundle.abstain.threshold)
        self._clock = clock
        self._ended_s: deque[float] = deque(maxlen=RATE_WINDOW)
        self._seen = 0

    def __call__(self, frame: Frame) -> View:
        """Return the view of a frame; frames come in the order of their time."""
        start = self._clock()
        if self._scene_cuts.is_cut(frame):
            self._find.forget()
            self._tracker.end_all()
        detections = self._find(frame)
        detected = self._clock()
        faces = self._recogniser.recognise(frame.pixels_bgr, detections)
        classified = self._clock()
        followed = self._follow(frame, faces)
        end = self._clock()
        self._ended_s.append(end)
        self._seen += 1
        return View(
            frame=frame,
            faces=followed,
            stages_ms={
                "detect": 1000 * (detected - start),
                "classify": 1000 * (classified - detected),
                "total": 1000 * (end - start),
            },
            rate=self._rate(),
            dropped=frame.index + 1 - self._seen,
            smoke=self._recogniser.bundle.smoke,
            clahe=self.clahe,
            smoothing_ms=self.smoothing_ms,
        )

    @property
    def smoothing_ms(self) -> float:
        """The time constant of the smoothing."""
        return self._smoother.smoothing_ms

    @smoothing_ms.setter
    def smoothing_ms(self, value: float) -> None:
        self._smoother.smoothing_ms = value

    @property
    def clahe(self) -> bool:
        """The classifier's input is equalised."""
        return self._recogniser.clahe

    @property
    def taught_with_clahe(self) -> bool:
        """The model was taught on equalised pictures."""
        return self._recogniser.bundle.face.clahe_clip > 0

    def toggle_clahe(self) -> None:
        """Equalise the classifier's input if it was not, and the other way round."""
        self._recogniser.toggle_clahe()

    def _follow(
        self, frame: Frame, faces: Sequence[Face]
    ) -> tuple[FollowedFace, ...]:
        boxes = [face.box_xywh_px for face in faces]
        identities = self._tracker.update(boxes, frame.time_ms)
        self._smoother.keep_only(self._tracker.alive)
        truths = self._truths(frame, boxes)
        return tuple(
            self._followed(frame, *one)
            for one in zip(identities, faces, truths, strict=True)
        )

    def _truths(self, frame: Frame, boxes: Sequence[np.ndarray]) -> list[str]:
        truths = match_labels(boxes, frame.annotations)
        if self.true_label and boxes:
            largest = max(range(len(boxes)), key=lambda index: boxes[index][2:].prod())
            truths[largest] = self.true_label
        return truths

    def _followed(
        self, frame: Frame, face_id: int, face: Face, true_label: str
    ) -> FollowedFace:
        smoothed = self._smoother.update(
            face_id, face.probabilities, frame.time_ms, face.unsure_reason
        )
        return FollowedFace(face_id, face, smoothed, true_label)

    def _rate(self) -> float:
        elapsed = self._ended_s[-1] - self._ended_s[0]
        return (len(self._ended_s) - 1) / elapsed if elapsed > 0 else 0.0
