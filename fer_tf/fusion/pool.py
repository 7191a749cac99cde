"""A log-linear pool: calibrate each teacher, average log-probabilities, calibrate."""

import itertools
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import optimize

from fer_tf import files
from fer_tf import metrics
from fer_tf.calibration import fit_balanced_temperature
from fer_tf.calibration import fit_temperature
from fer_tf.labels import NUM_CLASSES

GRID_STEPS = 20


@dataclass(frozen=True)
class Pool:
    """How teachers are fused.

    Attributes:
        temperatures: of each teacher, by name.
        weights: of each teacher, by name: one, or a list of one for each class. They
            are not negative, and the teachers' sum (of each class) is 1.
        temperature: of the pool itself.
    """

    temperatures: Mapping[str, float]
    weights: Mapping[str, float | list[float]]
    temperature: float

    @classmethod
    def load(cls, path: Path) -> "Pool":
        """Read the pool that makes soft labels from `soft_labels.json`.

        Where they were softened, so is it.
        """
        report = files.read_json(path)
        return cls(
            temperatures=report["temperatures"],
            weights=report["weights"],
            temperature=report["temperature"] * report["softened_by"],
        )

    def logits(self, teachers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return sum_t w_t log softmax(z_t / T_t), [..., 7], not yet calibrated."""
        return sum(
            np.asarray(weight)
            * metrics.log_softmax(teachers[name] / self.temperatures[name])
            for name, weight in self.weights.items()
        )

    def log_probs(self, teachers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the calibrated, normalised log-probabilities, [..., 7]."""
        return metrics.log_softmax(self.logits(teachers) / self.temperature)


def fit_pool(
    teachers: Mapping[str, np.ndarray],
    labels: np.ndarray,
    search: str = "nll",
    per_class: bool = False,
) -> Pool:
    """Fit a `Pool` to logits [n, 7] by teacher.

    Args:
        search: the criterion for shared weights: nll, balanced_nll or macro_f1.
            `balanced_nll` is the criterion for the temperatures as well.
        per_class: go on from those to weights for each class, by NLL.
    """
    balanced = search == "balanced_nll"
    fit = fit_balanced_temperature if balanced else fit_temperature
    temperatures = {name: fit(logits, labels) for name, logits in teachers.items()}
    log_probs = np.stack(
        [metrics.log_softmax(teachers[name] / temperatures[name]) for name in teachers]
    )
    weights = WEIGHTS[search](log_probs, labels)
    temperature = fit(_pooled(weights, log_probs), labels)
    if per_class:
        weights = per_class_weights(log_probs, labels, weights, temperature)
        temperature = fit_temperature(_pooled(weights, log_probs), labels)
    return Pool(
        temperatures=temperatures,
        weights=dict(zip(teachers, weights.tolist(), strict=True)),
        temperature=temperature,
    )


def _pooled(weights: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
    """Return [n, 7] from weights [teachers] or [teachers, 7]."""
    return (weights.reshape(len(weights), 1, -1) * log_probs).sum(axis=0)


def nll_weights(
    log_probs: np.ndarray, labels: np.ndarray, row_weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the weights [teachers] on the simplex that minimise the pool's NLL.

    The NLL is convex in the weights, so every start leads to the same minimum. Its
    gradient is mean(sum_c p_c l_tc - l_t,label), where l is `log_probs`.

    Args:
        log_probs: [teachers, n, 7], calibrated.
        labels: [n], integers.
        row_weights: [n], the weight of each row in the mean, with sum 1; None weights
            all rows equally.
    """
    rows = np.arange(len(labels))
    if row_weights is None:
        row_weights = np.full(len(labels), 1 / len(labels))
    of_label = log_probs[:, rows, labels]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = metrics.log_softmax(np.tensordot(weights, log_probs, axes=1))
        expected = (np.exp(pooled) * log_probs).sum(axis=2)
        value = -(row_weights * pooled[rows, labels]).sum()
        return value, ((expected - of_label) * row_weights).sum(axis=1)

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


def balanced_nll_weights(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights [teachers] that minimize the balanced NLL of the ensemble.

    Each teacher's class prior, its mean prediction, is divided out first, and every
    class that occurs weighs the same, so neither follows the frequencies of the
    corpus. A log-linear ensemble of reweighted predictions is the reweighted ensemble
    whose prior is the geometric mean of the teachers' priors.

    Args:
        log_probs: [teachers, n, 7], calibrated.
        labels: [n], integers.
    """
    priors = np.exp(log_probs).mean(axis=1, keepdims=True)
    _, class_of, counts = np.unique(labels, return_inverse=True, return_counts=True)
    row_weights = 1 / (len(counts) * counts[class_of])
    uniform = log_probs - np.log(np.maximum(priors, metrics.TINY))
    return nll_weights(metrics.log_softmax(uniform), labels, row_weights)


def macro_f1_weights(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights, in steps of 1/20, with the highest macro-F1 of the pool.

    Of equals the one with the lowest NLL. Arguments as for `nll_weights`.
    """

    def score(weights: np.ndarray) -> tuple[float, float]:
        pooled = np.tensordot(weights, log_probs, axes=1)
        macro_f1 = metrics.macro_f1(labels, pooled.argmax(axis=1))
        return macro_f1, -metrics.nll(labels, metrics.softmax(pooled))

    return max(simplex_grid(len(log_probs), GRID_STEPS), key=score)


WEIGHTS = {
    "nll": nll_weights,
    "balanced_nll": balanced_nll_weights,
    "macro_f1": macro_f1_weights,
}


def per_class_weights(
    log_probs: np.ndarray, labels: np.ndarray, start: np.ndarray, temperature: float
) -> np.ndarray:
    """Return weights [teachers, 7] of least NLL, each class's on the simplex.

    The pool is z_c = sum_t w_tc l_tc, where l is `log_probs`. Its NLL at temperature T
    is convex in w as well, with the gradient mean((p_c - [c = label]) l_tc) / T. The
    search starts from shared weights at their own T and returns nothing worse: a T
    fitted to what it returns can only better it further.

    Args:
        log_probs: [teachers, n, 7], calibrated.
        labels: [n], integers.
        start: [teachers], the shared weights.
        temperature: T, of the pool with these.
    """
    rows = np.arange(len(labels))
    is_label = np.eye(NUM_CLASSES)[labels]
    shape = (len(log_probs), NUM_CLASSES)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = _pooled(flat.reshape(shape), log_probs) / temperature
        pooled = metrics.log_softmax(pooled)
        slope = ((np.exp(pooled) - is_label) * log_probs).mean(axis=1) / temperature
        return -pooled[rows, labels].mean(), slope.ravel()

    shared = np.repeat(start, NUM_CLASSES)
    found = optimize.minimize(
        loss,
        shared,
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * len(shared),
        constraints={
            "type": "eq",
            "fun": lambda flat: flat.reshape(shape).sum(axis=0) - 1,
        },
        options={"ftol": 1e-10, "maxiter": 500},
    )
    weights = np.clip(found.x, 0, 1).reshape(shape)
    weights /= weights.sum(axis=0)
    better = loss(weights.ravel())[0] <= loss(shared)[0]
    return weights if better else shared.reshape(shape)


def simplex_grid(count: int, steps: int) -> Iterator[np.ndarray]:
    """Yield all weights [count] that are multiples of 1 / steps and sum to 1."""
    # Stars and bars: the gaps between count - 1 bars among steps stars.
    places = steps + count - 1
    for bars in itertools.combinations(range(places), count - 1):
        yield (np.diff([-1, *bars, places]) - 1) / steps
