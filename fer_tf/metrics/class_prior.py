"""Metrics that do not follow the class frequencies of the corpus.

A probability p(y | x) learned from a corpus contains the class frequencies of that
corpus, its class prior pi. Where the classes occur with the frequencies rho, the
posterior is p(y | x) rho(y) / pi(y), normalized over y (Saerens, Latinne and
Decaestecker 2002, "Adjusting the Outputs of a Classifier to New a Priori
Probabilities", eq. 2.4). The functions here take rho as uniform.
"""

from typing import Any

import numpy as np

from fer_tf.labels import NUM_CLASSES
from fer_tf.metrics.arguments import checked_probs
from fer_tf.metrics.arguments import simplex
from fer_tf.metrics.counts import accuracy
from fer_tf.metrics.counts import balanced_accuracy
from fer_tf.metrics.counts import macro_f1
from fer_tf.metrics.counts import per_class_recall
from fer_tf.metrics.proper_scores import TINY
from fer_tf.metrics.proper_scores import row_nll


def source_prior(probs: np.ndarray) -> np.ndarray:
    """Return the class prior [7] that a model's probabilities assume.

    It is the mean prediction on validation, whatever sampling or loss the model was
    trained with. For probabilities calibrated with one bias per class it equals the
    label frequencies of validation.

    Args:
        probs: [n, 7], the model's predictions on validation.

    Raises:
        ValueError: `probs` has no row, or a row that is no distribution.
    """
    rows = len(np.atleast_1d(probs))
    if not rows:
        raise ValueError("`probs` must be [n, 7], n > 0, received no row.")
    return simplex("probs", probs, rows, "Are these logits?").mean(axis=0)


def to_uniform_prior(probs: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return `probs` reweighted from the class prior `prior` to the uniform prior.

    q(y | x) = (p(y | x) / prior(y)) / sum_y' (p(y' | x) / prior(y')).

    Args:
        probs: [n, 7].
        prior: [7], as `source_prior` returns it. A class of probability below `TINY`
            counts as `TINY`, so that the quotient stays finite.

    Raises:
        ValueError: `prior` or a row of `probs` is no distribution.
    """
    probs = simplex("probs", probs, len(probs), "Are these logits?")
    prior = simplex("prior", np.atleast_2d(prior), 1, "Pass `source_prior(probs)`.")
    ratio = probs / np.maximum(prior, TINY)
    return ratio / ratio.sum(axis=1, keepdims=True)


def balanced_nll(labels: np.ndarray, probs: np.ndarray, prior: np.ndarray) -> float:
    """Return the NLL under a uniform class prior, in nats.

    The probabilities are reweighted to the uniform prior, and every class that occurs
    in `labels` has the same weight: mean_c mean_{i: y_i = c} -log q(y_i | x_i). A
    model that knows nothing scores log 7 = 1.946, whatever the class frequencies are.

    Args:
        labels: [n], integers.
        probs: [n, 7].
        prior: [7], the class prior that `probs` assume.

    Raises:
        ValueError: an argument has the wrong shape, or a row is no distribution.
    """
    labels, probs = checked_probs(labels, probs)
    return mean_over_classes(labels, row_nll(labels, to_uniform_prior(probs, prior)))


def mean_over_classes(labels: np.ndarray, values: np.ndarray) -> float:
    """Return the mean of `values` [n] in which every class of `labels` weighs the same.

    Args:
        labels: [n], integers in 0..6. A class that they lack has no weight.
        values: [n].
    """
    counts = np.bincount(labels, minlength=NUM_CLASSES)
    sums = np.bincount(labels, weights=values, minlength=NUM_CLASSES)
    present = counts > 0
    return float((sums[present] / counts[present]).mean())


def uniform_prior_summary(
    labels: np.ndarray, probs: np.ndarray, prior: np.ndarray
) -> dict[str, Any]:
    """Return the metrics of `probs` after they are reweighted to a uniform prior.

    Args:
        labels: [n], integers.
        probs: [n, 7].
        prior: [7], the class prior that `probs` assume.

    Raises:
        ValueError: an argument has the wrong shape, or a row is no distribution.
    """
    predictions = to_uniform_prior(probs, prior).argmax(axis=1)
    return {
        "accuracy": accuracy(labels, predictions),
        "balanced_accuracy": balanced_accuracy(labels, predictions),
        "macro_f1": macro_f1(labels, predictions),
        "per_class_recall": per_class_recall(labels, predictions).tolist(),
    }
