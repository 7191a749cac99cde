"""A model's predictions and calibration to the content of its `metrics.json`."""

from typing import Any

import numpy as np

from fer_tf import conformal
from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.calibration import cross_calibrated
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions

CROSS_FITTED = (
    "each half of validation with what was fitted on the other half; what is shipped "
    "is fitted on all of it"
)


def score(
    predictions: Predictions, calibration: Calibration, seed: int
) -> dict[str, Any]:
    """Return figures by split, raw and calibrated, with 95 % intervals.

    Nothing is scored on what it was fitted on: validation's calibrated figures are
    cross-fitted, test's use the scaling that ships.

    Raises:
        ValueError: the calibration was fitted on test.
    """
    validation, test = predictions.split("validation"), predictions.split("test")
    by_half = cross_calibrated(
        validation.logits,
        validation.labels,
        validation.groups,
        seed,
        calibration.method,
    )
    calibrated = test.with_logits(calibration.scale(test.logits, "test"))
    return {
        "model": predictions.model,
        "method": calibration.method,
        "temperature": calibration.temperature,
        "threshold": calibration.threshold,
        "fitted_on": {
            "temperature": calibration.fitted_on,
            "threshold": calibration.fitted_on,
            "sets": calibration.fitted_on,
            "n": calibration.n,
            "val.calibrated": CROSS_FITTED,
        },
        "val": {
            "raw": figures(validation, seed),
            "calibrated": figures(validation.with_logits(by_half), seed),
        },
        "test": {
            "raw": figures(test, seed),
            "calibrated": figures(calibrated, seed),
            "answered": _answered(calibrated, calibration.threshold),
            "sets": _sets(calibrated, calibration, seed),
            "by_source": by_source(calibrated, seed),
            "by_source_raw": by_source(test, seed),
        },
    }


def figures(answers: SplitPredictions, seed: int) -> dict[str, Any]:
    """Return `metrics.summary` of answers [n, 7], and `intervals` [low, high].

    Where several people labelled a record there are also `votes`, the figures against
    all that they said, and `agreed`, those of the records on which most of them agree.
    """
    probs = metrics.softmax(answers.logits)
    columns = (answers.labels, probs)
    estimates = metrics.with_intervals(
        metrics.headline, *columns, groups=answers.groups, seed=seed
    )
    intervals = {name: [low, high] for name, (_, low, high) in estimates.items()}
    content = {**metrics.summary(*columns), "intervals": intervals}
    if (answers.distribution.max(axis=1) < 1).any():
        content["votes"] = metrics.votes_summary(answers.distribution, probs)
    if answers.agreed.any() and not answers.agreed.all():
        content["agreed"] = figures(answers.take(answers.agreed), seed)
    return content


def by_source(answers: SplitPredictions, seed: int) -> dict[str, Any]:
    """Return `figures` of each corpus' own records."""
    return {
        str(source): figures(answers.take(answers.sources == source), seed)
        for source in np.unique(answers.sources)
    }


def _answered(answers: SplitPredictions, threshold: float) -> dict[str, float]:
    """Return how much of a split is answered at `threshold`, and how much is right."""
    probs = metrics.softmax(answers.logits)
    sure = probs.max(axis=1) >= threshold
    right = probs.argmax(axis=1) == answers.labels
    return {
        "threshold": threshold,
        "coverage": float(sure.mean()),
        "accuracy": float(right[sure].mean()) if sure.any() else 0.0,
    }


def _sets(
    answers: SplitPredictions, calibration: Calibration, seed: int
) -> dict[str, Any] | None:
    """Return how often a split's prediction sets hold the label, and their size."""
    if calibration.set_threshold is None:
        return None
    probs = metrics.softmax(answers.logits)
    sets = conformal.prediction_sets(probs, calibration.set_threshold)
    estimates = metrics.with_intervals(
        _set_figures,
        sets[np.arange(len(sets)), answers.labels],
        sets.sum(axis=1),
        conformal.group_weights(answers.groups),
        groups=answers.groups,
        seed=seed,
    )
    return {
        "threshold": calibration.set_threshold,
        "wanted_coverage": calibration.wanted_coverage,
        **{name: value for name, (value, _, _) in estimates.items()},
        "intervals": {name: [low, high] for name, (_, low, high) in estimates.items()},
    }


def _set_figures(
    covered: np.ndarray, sizes: np.ndarray, weights: np.ndarray
) -> dict[str, float]:
    """Return figures of sets [n]; a group counts once in what was promised.

    `group_coverage` is what the sets were fitted for; `coverage` counts records, as
    every other figure does.
    """
    return {
        "coverage": float(covered.mean()),
        "group_coverage": float(np.average(covered, weights=weights)),
        "mean_size": float(sizes.mean()),
        "singletons": float((sizes == 1).mean()),
        "empty": float((sizes == 0).mean()),
    }
