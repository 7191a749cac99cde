"""Whether the teachers together beat others, on rows nothing was fitted on."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fer_tf import metrics
from fer_tf.calibration import cross_calibrated
from fer_tf.calibration import halves
from fer_tf.config import SoftLabelsConfig
from fer_tf.fusion.pool import fit_pool
from fer_tf.predictions import SplitPredictions


def cross_fit(
    teachers: Mapping[str, SplitPredictions],
    others: Mapping[str, SplitPredictions],
    config: SoftLabelsConfig,
    seed: int,
) -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
    """Compare the pool with other models on validation, without flattering it.

    Everything is fitted on one half of the groups and scored on the other, and the
    reverse: the pool's temperatures and weights, and the others' temperatures.

    Args:
        teachers: validation's answers by teacher.
        others: those of the models to compare with, in the same order of rows; its
            own teachers, or students.
        config: how the weights are searched.

    Returns:
        The pool's figures, and a row of figures for each of the others, in which
        `fused_minus` are paired differences `[value, low, high]`.
    """
    first = first_of(teachers)
    labels, groups = first.labels, first.groups
    fused = _held_out(teachers, config, halves(groups, seed))
    alone = {
        name: metrics.softmax(cross_calibrated(answers.logits, labels, groups, seed))
        for name, answers in others.items()
    }
    table = {}
    for name, probs in alone.items():
        minus = metrics.with_intervals(
            _differences,
            labels,
            fused,
            probs,
            _uniform_nll(labels, fused),
            _uniform_nll(labels, probs),
            groups=groups,
            seed=seed,
        )
        table[name] = {**_headline(labels, probs), "fused_minus": minus}
    return _headline(labels, fused), table


def _headline(labels: np.ndarray, probs: np.ndarray) -> dict[str, float]:
    balanced_nll = metrics.mean_over_classes(labels, _uniform_nll(labels, probs))
    return {**metrics.headline(labels, probs), "balanced_nll": balanced_nll}


def _uniform_nll(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return each row's NLL [n] under a uniform prior.

    The rows are validation's, so their mean prediction is the source prior.
    """
    prior = metrics.source_prior(probs)
    return metrics.row_nll(labels, metrics.to_uniform_prior(probs, prior))


def _differences(
    labels: np.ndarray,
    probs: np.ndarray,
    baseline: np.ndarray,
    uniform_nll: np.ndarray,
    baseline_uniform_nll: np.ndarray,
) -> dict[str, float]:
    minus = metrics.mean_over_classes(labels, uniform_nll - baseline_uniform_nll)
    return {**metrics.differences(labels, probs, baseline), "balanced_nll": minus}


def shortfalls(table: Mapping[str, Any], search: str) -> list[str]:
    """Say of each row of a table of `cross_fit` that the pool is not shown to beat."""
    told = []
    for name, row in table.items():
        value, low, high = row["fused_minus"][search]
        better = low > 0 if search == "macro_f1" else high < 0
        if not better:
            told.append(
                f"the teachers together are not shown to beat {name} on validation: "
                f"{search} {value:+.4f}, 95% interval {low:+.4f} to {high:+.4f}."
            )
    return told


def first_of(mapping: Mapping[str, Any]) -> Any:
    """Return the first value of a mapping."""
    return next(iter(mapping.values()))


def logits_of(
    teachers: Mapping[str, SplitPredictions], rows: np.ndarray | slice = slice(None)
) -> dict[str, np.ndarray]:
    """Return the logits of the chosen rows, by teacher."""
    return {name: answers.logits[rows] for name, answers in teachers.items()}


def _held_out(
    teachers: Mapping[str, SplitPredictions],
    config: SoftLabelsConfig,
    mask: np.ndarray,
) -> np.ndarray:
    """Return the pool's probabilities [n, 7], each half of them fitted on the other."""
    first = first_of(teachers)
    fused = np.empty(first.logits.shape)
    for scored in (mask, ~mask):
        pool = fit_pool(
            logits_of(teachers, ~scored),
            first.labels[~scored],
            config.search,
            config.per_class,
        )
        fused[scored] = np.exp(pool.log_probs(logits_of(teachers, scored)))
    return fused
