"""Whether the teachers together beat each of them, on rows nothing was fitted on."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from fer_tf import metrics
from fer_tf.calibration import halves
from fer_tf.config import SoftLabelsConfig
from fer_tf.fusion.pool import fit_pool
from fer_tf.predictions import SplitPredictions

log = logging.getLogger(__name__)


def cross_fit(
    teachers: Mapping[str, SplitPredictions], config: SoftLabelsConfig, seed: int
) -> dict[str, Any]:
    """Compare the pool with each teacher on validation, without flattering it.

    Everything is fitted on one half of the groups and scored on the other, and the
    reverse. `fused_minus` is the paired difference `[value, low, high]`. A warning is
    logged where the pool is not shown to beat a teacher.

    Args:
        teachers: validation's answers by teacher, in one order of rows.
        config: how the weights are searched.
    """
    labels, groups = first_of(teachers).labels, first_of(teachers).groups
    fused, alone = _held_out(teachers, config, halves(groups, seed))
    table = {}
    for name, probs in alone.items():
        minus = metrics.with_intervals(
            metrics.differences, labels, fused, probs, groups=groups, seed=seed
        )
        table[name] = {**metrics.headline(labels, probs), "fused_minus": minus}
    if len(teachers) > 1:
        _warn_unless_better(table, config.search)
    return {
        "n": len(labels),
        "fused": metrics.headline(labels, fused),
        "teachers": table,
    }


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
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return probabilities [n, 7] of the pool, and of each teacher alone."""
    first = first_of(teachers)
    fused = np.empty(first.logits.shape)
    alone = {name: np.empty(first.logits.shape) for name in teachers}
    for scored in (mask, ~mask):
        pool = fit_pool(
            logits_of(teachers, ~scored),
            first.labels[~scored],
            config.search,
            config.per_class,
        )
        logits = logits_of(teachers, scored)
        fused[scored] = np.exp(pool.log_probs(logits))
        for name, temperature in pool.temperatures.items():
            alone[name][scored] = metrics.softmax(logits[name] / temperature)
    return fused, alone


def _warn_unless_better(table: Mapping[str, Any], search: str) -> None:
    for name, row in table.items():
        value, low, high = row["fused_minus"][search]
        better = high < 0 if search == "nll" else low > 0
        if not better:
            log.warning(
                "the teachers together are not shown to beat %s on validation: %s "
                "%+.4f, 95%% interval %+.4f to %+.4f.",
                name,
                search,
                value,
                low,
                high,
            )
