"""A log-linear pool: calibrate each teacher, average log-probabilities, calibrate."""

import itertools
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from fer_tf import metrics
from fer_tf.calibration import fit_temperature

GRID_STEPS = 20


@dataclass(frozen=True)
class Pool:
    """How teachers are fused.

    Attributes:
        temperatures: of each teacher, by name.
        weights: of each teacher, by name; non-negative, their sum is 1.
        temperature: of the pool itself.
    """

    temperatures: Mapping[str, float]
    weights: Mapping[str, float]
    temperature: float

    def logits(self, teachers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return sum_t w_t log softmax(z_t / T_t), [..., 7], not yet calibrated."""
        return sum(
            weight * metrics.log_softmax(teachers[name] / self.temperatures[name])
            for name, weight in self.weights.items()
        )

    def log_probs(self, teachers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the calibrated, normalised log-probabilities, [..., 7]."""
        return metrics.log_softmax(self.logits(teachers) / self.temperature)


def fit_pool(
    teachers: Mapping[str, np.ndarray], labels: np.ndarray, search: str = "nll"
) -> Pool:
    """Fit a `Pool` to logits [n, 7] by teacher; `search` is nll or macro_f1."""
    temperatures = {
        name: fit_temperature(logits, labels) for name, logits in teachers.items()
    }
    log_probs = np.stack(
        [metrics.log_softmax(teachers[name] / temperatures[name]) for name in teachers]
    )
    weights = WEIGHTS[search](log_probs, labels)
    return Pool(
        temperatures=temperatures,
        weights=dict(zip(teachers, weights.tolist(), strict=True)),
        temperature=fit_temperature(np.tensordot(weights, log_probs, axes=1), labels),
    )


def nll_weights(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights [teachers] on the simplex that minimise the pool's NLL.

    The NLL is convex in the weights, so every start leads to the same minimum. Its
    gradient is mean(sum_c p_c l_tc - l_t,label), where l is `log_probs`.

    Args:
        log_probs: [teachers, n, 7], calibrated.
        labels: [n], integers.
    """
    rows = np.arange(len(labels))
    of_label = log_probs[:, rows, labels]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = metrics.log_softmax(np.tensordot(weights, log_probs, axes=1))
        expected = (np.exp(pooled) * log_probs).sum(axis=2)
        return -pooled[rows, labels].mean(), (expected - of_label).mean(axis=1)

    count = len(log_probs)
    found = optimize.minimize(
        loss,
        np.full(count, 1 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-10},
    )
    weights = np.clip(found.x, 0, 1)
    return weights / weights.sum()


def macro_f1_weights(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights, in steps of 1/20, with the highest macro-F1 of the pool.

    Of equals the one with the lowest NLL. Arguments as for `nll_weights`.
    """

    def score(weights: np.ndarray) -> tuple[float, float]:
        pooled = np.tensordot(weights, log_probs, axes=1)
        macro_f1 = metrics.macro_f1(labels, pooled.argmax(axis=1))
        return macro_f1, -metrics.nll(labels, metrics.softmax(pooled))

    return max(simplex_grid(len(log_probs), GRID_STEPS), key=score)


WEIGHTS = {"nll": nll_weights, "macro_f1": macro_f1_weights}


def simplex_grid(count: int, steps: int) -> Iterator[np.ndarray]:
    """Yield all weights [count] that are multiples of 1 / steps and sum to 1."""
    # Stars and bars: the gaps between count - 1 bars among steps stars.
    places = steps + count - 1
    for bars in itertools.combinations(range(places), count - 1):
        yield (np.diff([-1, *bars, places]) - 1) / steps
