"""Calm answers: each face's probabilities smoothed in real time, not per frame."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic
from typing import TypeVar

import numpy as np

from fer_tf import metrics
from fer_tf.config import LiveConfig

LEAST_PROBABILITY = 1e-7

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Smoothed:
    """What is shown of a face: probabilities [7], a label's index, if it is unsure."""

    probabilities: np.ndarray
    label: int
    unsure: bool

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
    """Of one face; its age counts the time that has passed, which never goes back."""

    answer: np.ndarray
    smoothed: np.ndarray
    time_ms: float
    label: _Held[int]
    unsure: _Held[bool]
    age_ms: float = 0.0


class Smoother:
    """Smooths the answers for each face, and changes what is shown only for good.

    The log probabilities x pass a low pass of first order, tau dl/dt = x - l, which is
    solved exactly for x that runs straight from one frame to the next, so that the
    frame rate does not show. With d = dt / tau, e = exp(-d) and g = (1 - e) / d,

        l_t = e l_(t-dt) + (g - e) x_(t-dt) + (1 - g) x_t,

    and the smoothed probabilities are softmax(l_t): a geometric mean that forgets.

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
        self, face_id: int, probabilities: np.ndarray, time_ms: float
    ) -> Smoothed:
        """Take the answer [7] for a face at `time_ms` and return what to show.

        Time that stands still or goes back is no time.
        """
        answer = np.log(np.maximum(probabilities, LEAST_PROBABILITY, dtype=np.float64))
        state = self._states.get(face_id)
        if state is None:
            state = self._first(answer, time_ms)
            self._states[face_id] = state
        elapsed_ms = max(0.0, time_ms - state.time_ms)
        kept, before, now = self._weights(elapsed_ms)
        state.smoothed = kept * state.smoothed + before * state.answer + now * answer
        state.answer = answer
        state.time_ms = time_ms
        state.age_ms += elapsed_ms
        shown = metrics.softmax(state.smoothed)
        leader, label = int(np.argmax(shown)), state.label.value
        leads = shown[leader] - shown[label] >= self._hysteresis
        wanted = leader if leads else label
        label = state.label.settle(wanted, state.age_ms, self._hold_ms)
        above = shown[label] - self._least_confidence
        hold_ms = 0.0 if abs(above) > self._hysteresis else self._hold_ms
        unsure = state.unsure.settle(bool(above < 0), state.age_ms, hold_ms)
        return Smoothed(shown, label, unsure)

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
        label, unsure = int(np.argmax(shown)), shown.max() < self._least_confidence
        return _State(answer, answer, time_ms, _Held(label), _Held(bool(unsure)))
