"""Calm answers: each face's probabilities smoothed in real time, not per frame."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from fer_tf import metrics

LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True, eq=False)
class Smoothed:
    """What is shown of a face: probabilities [7], and the index of its label."""

    probabilities: np.ndarray
    label: int

    @property
    def confidence(self) -> float:
        """The smoothed probability of the label that is shown."""
        return float(self.probabilities[self.label])


@dataclass
class _State:
    log_probabilities: np.ndarray
    time_ms: float
    label: int
    challenger: int
    since_ms: float


class Smoother:
    """Smooths the answers for each face, and lets its label change only for good.

    With p_t the answer at time t and dt the time since the last one, in milliseconds,

        l_t = (1 - a) l_(t-dt) + a log p_t,    a = 1 - exp(-dt / smoothing_ms),

    and the smoothed probabilities are softmax(l_t): a geometric mean that forgets.

    Args:
        smoothing_ms: the time constant; 0 for no smoothing.
        hysteresis: by how much another class must lead the label's probability,
        hold_ms: and for how long, before it becomes the label.
    """

    def __init__(self, smoothing_ms: float, hysteresis: float, hold_ms: float) -> None:
        self._smoothing_ms = smoothing_ms
        self._hysteresis = hysteresis
        self._hold_ms = hold_ms
        self._states: dict[int, _State] = {}

    def update(
        self, face_id: int, probabilities: np.ndarray, time_ms: float
    ) -> Smoothed:
        """Take the answer [7] for a face at `time_ms` and return what to show."""
        logs = np.log(np.maximum(probabilities, LEAST_PROBABILITY, dtype=np.float64))
        state = self._states.get(face_id)
        if state is None:
            label = int(np.argmax(logs))
            state = _State(logs, time_ms, label, label, time_ms)
            self._states[face_id] = state
        alpha = self._alpha(time_ms - state.time_ms)
        state.log_probabilities += alpha * (logs - state.log_probabilities)
        state.time_ms = time_ms
        smoothed = metrics.softmax(state.log_probabilities)
        self._settle(state, smoothed)
        return Smoothed(smoothed, state.label)

    def keep_only(self, face_ids: Collection[int]) -> None:
        """Drop the state of every face that is not among `face_ids`."""
        self._states = {
            face_id: state
            for face_id, state in self._states.items()
            if face_id in face_ids
        }

    def _alpha(self, elapsed_ms: float) -> float:
        if self._smoothing_ms <= 0:
            return 1.0
        return -math.expm1(-max(0.0, elapsed_ms) / self._smoothing_ms)

    def _settle(self, state: _State, smoothed: np.ndarray) -> None:
        """Let the leading class become the label, if it has led long enough."""
        leader = int(np.argmax(smoothed))
        leads = smoothed[leader] - smoothed[state.label] >= self._hysteresis
        challenger = leader if leads else state.label
        if challenger != state.challenger:
            state.challenger = challenger
            state.since_ms = state.time_ms
        if state.time_ms - state.since_ms >= self._hold_ms:
            state.label = state.challenger
