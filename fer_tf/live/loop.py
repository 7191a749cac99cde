"""The live loop: frame, detect, track, classify, smooth, log, draw, show.

Clock, camera, recogniser and everything that takes the result are arguments.
"""

import time
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from fer_tf.config import LiveConfig
from fer_tf.live import overlay
from fer_tf.live.camera import Frame
from fer_tf.live.recogniser import Face
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.smoothing import Smoother
from fer_tf.live.tracker import Tracker
from fer_tf.live.view import FollowedFace
from fer_tf.live.view import View

Log = Callable[[View], None]
# Takes the annotated frame, uint8 [height, width, 3] BGR, and its time in
# milliseconds; False ends the loop.
Screen = Callable[[np.ndarray, float], bool]
# The true label of each face of a frame, "" where it is not known.
Truth = Callable[[Frame, int], str]

RATE_WINDOW = 30


def unlabelled(frame: Frame, face: int) -> str:
    """Return "": the truth of a source that nobody has labelled."""
    return ""


def run(
    frames: Iterable[Frame],
    reader: "Reader",
    logs: Sequence[Log] = (),
    screens: Sequence[Screen] = (),
) -> None:
    """Read every frame and hand it on; draw only if somebody looks."""
    for frame in frames:
        view = reader(frame)
        for log in logs:
            log(view)
        if screens:
            drawn = overlay.draw(view)
            if not all([screen(drawn, frame.time_ms) for screen in screens]):
                return


class Reader:
    """Turns frames into views; it remembers the faces between them.

    Args:
        clock: seconds, from any origin; stages are timed by it.
        truth: the true label of the n-th face of a frame, where it is known.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        live: LiveConfig,
        *,
        clock: Callable[[], float] = time.perf_counter,
        truth: Truth = unlabelled,
    ) -> None:
        self._recogniser = recogniser
        self._tracker = Tracker(live.forget_ms)
        self._smoother = Smoother(live.smoothing_ms, live.hysteresis, live.hold_ms)
        self._clock = clock
        self._truth = truth
        self._ended_s: deque[float] = deque(maxlen=RATE_WINDOW)
        self._seen = 0

    def __call__(self, frame: Frame) -> View:
        """Return the view of a frame; frames come in the order of their time."""
        start = self._clock()
        detections = self._recogniser.detect(frame.pixels_bgr)
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
        )

    def _follow(
        self, frame: Frame, faces: Sequence[Face]
    ) -> tuple[FollowedFace, ...]:
        boxes = [face.box_xywh_px for face in faces]
        identities = self._tracker.update(boxes, frame.time_ms)
        self._smoother.keep_only(self._tracker.alive)
        return tuple(
            self._followed(frame, index, face_id, face)
            for index, (face_id, face) in enumerate(
                zip(identities, faces, strict=True)
            )
        )

    def _followed(
        self, frame: Frame, index: int, face_id: int, face: Face
    ) -> FollowedFace:
        smoothed = self._smoother.update(face_id, face.probabilities, frame.time_ms)
        threshold = self._recogniser.bundle.abstain.threshold
        return FollowedFace(
            face_id=face_id,
            face=face,
            smoothed=smoothed,
            unsure=smoothed.confidence < threshold,
            true_label=self._truth(frame, index),
        )

    def _rate(self) -> float:
        elapsed = self._ended_s[-1] - self._ended_s[0]
        return (len(self._ended_s) - 1) / elapsed if elapsed > 0 else 0.0
