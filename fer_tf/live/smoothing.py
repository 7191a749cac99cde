"""Calm answers: each face's probabilities smoothed in real time, not per frame."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic
from typing import TypeVar

import numpy as np

from fer_tf import metrics
from fer_tf.config import LiveConfig
from fer_tf.quality import UnsureReason

LEAST_PROBABILITY = 1e-7

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Smoothed:
    """What is displayed of a face.

    Attributes:
        probabilities: Smoothed probabilities [7], which sum to 1.
        label: Index of the label.
        unsure_reason: Why the label is unsure; empty where it is sure.
    """

    probabilities: np.ndarray
    label: int
    unsure_reason: UnsureReason

    @property
    def unsure(self) -> bool:
        """The label is unsure."""
        return bool(self.unsure_reason)

    @property
    def confidence(self) -> float:
        """The smoothed probability of the label that is shown."""
        return float(self.probabilities[self.label])


class _Held(Generic[Value]):
    """A value that changes only once another has been wanted for long enough."""

    def __init__(self, value: Value) -> None:
        self.value = value
        self._challenger = value
        self._since_ms = 0.0

    def settle(self, wanted: Value, now_ms: float, hold_ms: float) -> Value:
        """Return the value at `now_ms`, where `wanted` would take its place."""
        if wanted != self._challenger:
            self._challenger = wanted
            self._since_ms = now_ms
        if now_ms - self._since_ms >= hold_ms:
            self.value = self._challenger
        return self.value


@dataclass
class _State:
    """State of one face; its age counts the time that passes, which never goes back.

    Attributes:
        low: The confidence is too low.
        unusable: Why the face cannot be used.
        predicted_at_ms: The age at the last frame in which the face was usable.
    """

    answer: np.ndarray
    smoothed: np.ndarray
    time_ms: float
    label: _Held[int]
    low: _Held[bool]
    unusable: _Held[UnsureReason]
    age_ms: float = 0.0
    predicted_at_ms: float = 0.0


class Smoother:
    """Smooths the answers for each face, and changes what is shown only for good.

    The log probabilities x pass a low pass of first order, tau dl/dt = x - l, which is
    solved exactly for x that runs straight from one frame to the next, so that the
    frame rate does not show. With d = dt / tau, e = exp(-d) and g = (1 - e) / d,

        l_t = e l_(t-dt) + (g - e) x_(t-dt) + (1 - g) x_t,

    and the smoothed probabilities are softmax(l_t): a geometric mean that forgets.

    A frame in which a face is not usable is no evidence: the label and l stay, as if
    the face had not been seen, and dt is counted from the last usable frame. The label
    is unsure at once, and until the face has been usable for `hold_ms`.

    Args:
        smoothing_ms: the time constant tau; 0 for no smoothing. May change on the way.
        hysteresis: by how much another class must lead the label's probability,
        hold_ms: and for how long, before it becomes the label.
        least_confidence: below it a label is unsure; that comes and goes once the
            confidence is `hysteresis` away from here, or on one side for `hold_ms`.
    """

    def __init__(
        self,
        smoothing_ms: float,
        hysteresis: float,
        hold_ms: float,
        least_confidence: float,
    ) -> None:
        self.smoothing_ms = smoothing_ms
        self._hysteresis = hysteresis
        self._hold_ms = hold_ms
        self._least_confidence = least_confidence
        self._states: dict[int, _State] = {}

    @classmethod
    def of(cls, live: LiveConfig, least_confidence: float) -> "Smoother":
        """Return one that smooths as a recipe has it."""
        return cls(live.smoothing_ms, live.hysteresis, live.hold_ms, least_confidence)

    def update(
        self,
        face_id: int,
        probabilities: np.ndarray,
        time_ms: float,
        reason: UnsureReason = UnsureReason.NONE,
    ) -> Smoothed:
        """Take the prediction for a face at `time_ms` and return what to display.

        Time that stands still or goes back is no time. Until a face has been usable, it
        is displayed as predicted.

        Args:
            face_id: The face's identity.
            probabilities: Predicted probabilities [7].
            time_ms: Time of the frame.
            reason: Why the prediction is unsure by itself; empty where it is sure.
        """
        state = self._states.get(face_id)
        if state is None and not reason.is_usable:
            return Smoothed(probabilities, int(np.argmax(probabilities)), reason)
        answer = np.log(np.maximum(probabilities, LEAST_PROBABILITY, dtype=np.float64))
        if state is None:
            state = self._states[face_id] = self._first(answer, time_ms)
        state.age_ms += max(0.0, time_ms - state.time_ms)
        state.time_ms = time_ms
        if reason.is_usable:
            self._predict(state, answer)
            unusable = state.unusable.settle(
                UnsureReason.NONE, state.age_ms, self._hold_ms
            )
        else:
            unusable = state.unusable.settle(reason, state.age_ms, 0.0)
        low = UnsureReason.LOW_CONFIDENCE if state.low.value else UnsureReason.NONE
        shown = metrics.softmax(state.smoothed)
        return Smoothed(shown, state.label.value, unusable or low)

    def _predict(self, state: _State, answer: np.ndarray) -> None:
        """Move a face's smoothed log probabilities, its label and its confidence."""
        kept, before, now = self._weights(state.age_ms - state.predicted_at_ms)
        state.smoothed = kept * state.smoothed + before * state.answer + now * answer
        state.answer = answer
        state.predicted_at_ms = state.age_ms
        shown = metrics.softmax(state.smoothed)
        leader, label = int(np.argmax(shown)), state.label.value
        leads = shown[leader] - shown[label] >= self._hysteresis
        wanted = leader if leads else label
        label = state.label.settle(wanted, state.age_ms, self._hold_ms)
        above = shown[label] - self._least_confidence
        hold_ms = 0.0 if abs(above) > self._hysteresis else self._hold_ms
        state.low.settle(bool(above < 0), state.age_ms, hold_ms)

    def keep_only(self, face_ids: Collection[int]) -> None:
        """Drop the state of every face that is not among `face_ids`."""
        self._states = {
            face_id: state
            for face_id, state in self._states.items()
            if face_id in face_ids
        }

    def _weights(self, elapsed_ms: float) -> tuple[float, float, float]:
        """Return the weights of l_(t-dt), x_(t-dt) and x_t; their sum is 1."""
        if self.smoothing_ms <= 0:
            return 0.0, 0.0, 1.0
        if elapsed_ms <= 0:
            return 1.0, 0.0, 0.0
        d = elapsed_ms / self.smoothing_ms
        e = math.exp(-d)
        g = -math.expm1(-d) / d
        return e, g - e, 1 - g

    def _first(self, answer: np.ndarray, time_ms: float) -> _State:
        shown = metrics.softmax(answer)
        return _State(
            answer=answer,
            smoothed=answer,
            time_ms=time_ms,
            label=_Held(int(np.argmax(shown))),
            low=_Held(bool(shown.max() < self._least_confidence)),
            unusable=_Held(UnsureReason.NONE),
        )
