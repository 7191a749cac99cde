"""A model's predictions and calibration to the content of its `metrics.json`."""

from typing import Any

import numpy as np

from fer_tf import conformal
from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.calibration import cross_calibrated
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions
from fer_tf.sources.record import DOMAIN_VALIDATION

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
    prior = metrics.source_prior(metrics.softmax(validation.logits))
    scaled_prior = metrics.source_prior(
        metrics.softmax(calibration.scaling.apply(validation.logits))
    )
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
        "source_prior": {"raw": prior.tolist(), "calibrated": scaled_prior.tolist()},
        "val": {
            "raw": figures(validation, seed, prior),
            "calibrated": figures(validation.with_logits(by_half), seed, scaled_prior),
        },
        "test": {
            "raw": figures(test, seed, prior),
            "calibrated": figures(calibrated, seed, scaled_prior),
            "answered": _answered(calibrated, calibration.threshold),
            "sets": _sets(calibrated, calibration, seed),
            "by_source": by_source(calibrated, seed, scaled_prior),
            "by_source_raw": by_source(test, seed, prior),
        },
        **_domains(predictions, calibration, seed, prior, scaled_prior),
    }


def _domains(
    predictions: Predictions,
    calibration: Calibration,
    seed: int,
    prior: np.ndarray,
    scaled_prior: np.ndarray,
) -> dict[str, Any]:
    """Return the metrics of each source in `data.validate_on`, raw and calibrated.

    The calibration is the one that is fitted on validation: a shift of domain shows in
    these numbers because nothing was fitted to it.
    """
    if DOMAIN_VALIDATION not in predictions.splits:
        return {}
    split = predictions.split(DOMAIN_VALIDATION)
    scaled = split.with_logits(calibration.scale(split.logits, DOMAIN_VALIDATION))
    raw = by_source(split, seed, prior)
    calibrated = by_source(scaled, seed, scaled_prior)
    return {
        DOMAIN_VALIDATION: {
            source: {"raw": raw[source], "calibrated": calibrated[source]}
            for source in raw
        }
    }


def figures(
    answers: SplitPredictions, seed: int, prior: np.ndarray | None = None
) -> dict[str, Any]:
    """Return `metrics.summary` of answers [n, 7], and `intervals` [low, high].

    Where several people labelled a record there are also `votes`, the figures against
    all that they said, and `agreed`, those of the records on which most of them agree.

    Args:
        answers: the predictions of one split.
        seed: random seed for the bootstrap.
        prior: [7], the class prior that the probabilities assume. With it there are
            also `balanced_nll`, and `uniform_prior`, the metrics of the probabilities
            reweighted to a uniform prior.
    """
    probs = metrics.softmax(answers.logits)
    columns = (answers.labels, probs)
    content = metrics.summary(*columns)
    headline, more = metrics.headline, ()
    if prior is not None:
        content["balanced_nll"] = metrics.balanced_nll(*columns, prior)
        content["uniform_prior"] = metrics.uniform_prior_summary(*columns, prior)
        uniform = metrics.to_uniform_prior(probs, prior)
        headline = _balanced_headline
        more = (metrics.row_nll(answers.labels, uniform),)
    estimates = metrics.with_intervals(
        headline, *columns, *more, groups=answers.groups, seed=seed
    )
    content["intervals"] = {
        name: [low, high] for name, (_, low, high) in estimates.items()
    }
    if (answers.distribution.max(axis=1) < 1).any():
        content["votes"] = metrics.votes_summary(answers.distribution, probs)
    if answers.agreed.any() and not answers.agreed.all():
        content["agreed"] = figures(answers.take(answers.agreed), seed, prior)
    return content


def _balanced_headline(
    labels: np.ndarray, probs: np.ndarray, uniform_nll: np.ndarray
) -> dict[str, float]:
    """Return `metrics.headline`, and the balanced NLL from each row's NLL [n]."""
    balanced_nll = metrics.mean_over_classes(labels, uniform_nll)
    return {**metrics.headline(labels, probs), "balanced_nll": balanced_nll}


def by_source(
    answers: SplitPredictions, seed: int, prior: np.ndarray | None = None
) -> dict[str, Any]:
    """Return `figures` of each corpus' own records."""
    return {
        str(source): figures(answers.take(answers.sources == source), seed, prior)
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
