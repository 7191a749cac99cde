"""Corrections of class imbalance against NumPy oracles, gradients included."""

import numpy as np
import pytest
from scipy.special import softmax

from fer_tf.losses import adjusted
from fer_tf.losses import cross_entropy
from fer_tf.losses import effective_number_weights
from fer_tf.losses import focal

RNG = np.random.default_rng(11)
BATCH, CLASSES = 5, 7
LOGITS = RNG.normal(0, 3, (BATCH, CLASSES)).astype(np.float32)
HARD = np.eye(CLASSES, dtype=np.float32)[[0, 6, 3, 3, 1]]
SOFT = RNG.dirichlet(np.ones(CLASSES), BATCH).astype(np.float32)
# FER2013's training pictures.
COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)


def numpy_focal(targets, logits, gamma):
    """Equation 4 for every class, weighted by its share of the target."""
    values = np.zeros(len(targets))
    for row, (q, p) in enumerate(zip(targets, softmax(logits, axis=-1), strict=True)):
        for c in range(len(q)):
            values[row] += q[c] * -((1 - p[c]) ** gamma) * np.log(p[c])
    return values


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 0.9999])
@pytest.mark.parametrize("counts", [COUNTS, (1, 2, 3), (10, 10)])
def test_effective_numbers_are_the_series_they_stand_for(beta, counts):
    """E_n = 1 + beta + beta^2 + ... of n terms, as the paper's proof has it."""
    inverse = [1 / sum(beta**j for j in range(n)) for n in counts]
    expected = np.array(inverse) * len(counts) / sum(inverse)
    found = effective_number_weights(class_counts=counts, beta=beta)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_effective_numbers_by_hand():
    # E = 1 and 1.5, so that weights are as 3 to 2, and their mean is 1.
    found = effective_number_weights(class_counts=(1, 2), beta=0.5)
    np.testing.assert_allclose(found, [1.2, 0.8], rtol=1e-6)


def test_rarer_classes_weigh_more_but_not_as_much_as_they_are_rare():
    weights = effective_number_weights(class_counts=COUNTS)
    assert (np.argsort(weights) == np.argsort(COUNTS)[::-1]).all()
    assert 1 < weights[1] / weights[3] < COUNTS[3] / COUNTS[1]


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
def test_weighted_cross_entropy_has_the_gradient_of_weighted_labels(gradient, targets):
    weighted = targets * effective_number_weights(class_counts=COUNTS)
    found = gradient(lambda z: cross_entropy(targets=weighted, logits=z), LOGITS)
    total = weighted.sum(-1, keepdims=True)
    expected = total * softmax(LOGITS, axis=-1) - weighted
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
def test_adjusted_cross_entropy_is_equation_10(gradient, targets, tau):
    prior = np.array(COUNTS) / sum(COUNTS)
    powers = np.exp(LOGITS.astype(np.float64)) * prior**tau
    probs = powers / powers.sum(-1, keepdims=True)

    def loss(z):
        logits = adjusted(logits=z, class_counts=COUNTS, tau=tau)
        return cross_entropy(targets=targets, logits=logits)

    np.testing.assert_allclose(
        loss(LOGITS), -(targets * np.log(probs)).sum(-1), rtol=1e-5
    )
    np.testing.assert_allclose(gradient(loss, LOGITS), probs - targets, atol=1e-5)


def test_adjustment_by_hand():
    found = adjusted(logits=np.zeros((1, 2), np.float32), class_counts=(3, 1))
    np.testing.assert_allclose(found, [[np.log(0.75), np.log(0.25)]], rtol=1e-6)


def test_tau_0_and_equal_classes_change_no_probability():
    same = adjusted(logits=LOGITS, class_counts=COUNTS, tau=0.0)
    np.testing.assert_allclose(same, LOGITS)
    equal = adjusted(logits=LOGITS, class_counts=(9,) * CLASSES)
    np.testing.assert_allclose(
        softmax(equal, axis=-1), softmax(LOGITS, axis=-1), rtol=1e-5
    )


def test_where_pictures_tell_nothing_adjusted_logits_learn_no_class(gradient):
    """Cross entropy alone would learn how frequent each is."""
    frequencies = np.array([COUNTS], np.float32) / sum(COUNTS)

    def loss(z):
        logits = adjusted(logits=z, class_counts=COUNTS)
        return cross_entropy(targets=frequencies, logits=logits)

    flat = np.zeros((1, CLASSES), np.float32)
    np.testing.assert_allclose(gradient(loss, flat), flat, atol=1e-6)


def test_a_class_without_pictures_counts_as_one_picture():
    counts, instead = (5, 0, 9), (5, 1, 9)
    np.testing.assert_array_equal(
        effective_number_weights(class_counts=counts),
        effective_number_weights(class_counts=instead),
    )
    logits = np.zeros((1, 3), np.float32)
    np.testing.assert_array_equal(
        adjusted(logits=logits, class_counts=counts),
        adjusted(logits=logits, class_counts=instead),
    )


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
def test_focal_is_the_oracle_gradient_included(
    gradient, numerical_gradient, targets, gamma
):
    found = focal(targets=targets, logits=LOGITS, gamma=gamma)
    np.testing.assert_allclose(found, numpy_focal(targets, LOGITS, gamma), rtol=1e-4)
    slope = gradient(lambda z: focal(targets=targets, logits=z, gamma=gamma), LOGITS)
    expected = numerical_gradient(lambda z: numpy_focal(targets, z, gamma), LOGITS)
    np.testing.assert_allclose(slope, expected, atol=1e-4)


def test_focal_by_hand():
    logits = np.array([[0.0, np.log(3.0)]], np.float32)
    found = focal(targets=np.array([[0.0, 1.0]], np.float32), logits=logits)
    np.testing.assert_allclose(found, [-(0.25**2) * np.log(0.75)], rtol=1e-5)


def test_focal_with_gamma_0_is_cross_entropy():
    np.testing.assert_allclose(
        focal(targets=SOFT, logits=LOGITS, gamma=0.0),
        cross_entropy(targets=SOFT, logits=LOGITS),
        rtol=1e-5,
    )


def test_focal_of_soft_targets_is_the_mean_over_labels_drawn_from_them():
    each = [
        focal(targets=np.eye(CLASSES, dtype=np.float32)[[c] * BATCH], logits=LOGITS)
        for c in range(CLASSES)
    ]
    np.testing.assert_allclose(
        focal(targets=SOFT, logits=LOGITS),
        (SOFT * np.stack(each, axis=-1)).sum(-1),
        rtol=1e-5,
    )


def test_focal_is_finite_where_all_is_known_or_all_is_wrong(gradient):
    sure = np.array([[90.0, 0, 0], [90.0, 0, 0]], np.float32)
    targets = np.eye(3, dtype=np.float32)[[0, 1]]
    found = focal(targets=targets, logits=sure)
    np.testing.assert_allclose(found, [0, 90], atol=1e-4)
    assert np.isfinite(gradient(lambda z: focal(targets=targets, logits=z), sure)).all()
