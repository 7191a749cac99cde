"""Negative learning and its gate against oracles, gradients included."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from fer_tf.losses import complement
from fer_tf.losses import is_unsure
from fer_tf.losses import negative_learning

RNG = np.random.default_rng(5)
BATCH, CLASSES = 6, 7
LOGITS = RNG.normal(0, 2, (BATCH, CLASSES)).astype(np.float32)
ONE = np.eye(CLASSES, dtype=np.float32)[[0, 6, 3, 3, 1, 2]]
SOFT = RNG.dirichlet(np.ones(CLASSES), BATCH).astype(np.float32)


def numpy_negative(negatives, logits):
    return -(negatives * np.log(1 - softmax(logits, axis=-1))).sum(-1)


@pytest.mark.parametrize("negatives", [ONE, SOFT], ids=["one", "distribution"])
def test_negative_learning_is_the_oracle_gradient_included(
    gradient, numerical_gradient, negatives
):
    found = negative_learning(negatives=negatives, logits=LOGITS)
    np.testing.assert_allclose(
        found, numpy_negative(negatives, LOGITS), rtol=1e-4, atol=1e-6
    )
    slope = gradient(
        lambda z: negative_learning(negatives=negatives, logits=z), LOGITS
    )
    expected = numerical_gradient(lambda z: numpy_negative(negatives, z), LOGITS)
    np.testing.assert_allclose(slope, expected, atol=1e-4)


def test_negative_learning_by_hand():
    logits = np.array([[0.0, np.log(3.0)]], np.float32)
    found = negative_learning(negatives=np.array([[0.0, 1.0]]), logits=logits)
    np.testing.assert_allclose(found, [-np.log(0.25)], rtol=1e-6)


@pytest.mark.parametrize("negative", range(CLASSES))
def test_negative_learning_lowers_the_class_it_is_told_of(gradient, negative):
    """The original had its sign reversed, and raised it."""
    told = np.eye(CLASSES, dtype=np.float32)[[negative] * BATCH]
    slope = gradient(lambda z: negative_learning(negatives=told, logits=z), LOGITS)
    assert (slope[:, negative] > 0).all()
    assert (np.delete(slope, negative, axis=-1) <= 0).all()
    before = softmax(LOGITS, axis=-1)[:, negative]
    after = softmax(LOGITS - 0.1 * slope, axis=-1)[:, negative]
    assert (after < before).all()


def test_a_student_that_is_sure_of_what_it_is_not_learns_and_stays_finite(gradient):
    sure = np.array([[90.0, 0, 0]], np.float32)
    told = np.array([[1.0, 0, 0]], np.float32)
    found = negative_learning(negatives=told, logits=sure)
    np.testing.assert_allclose(found, [90 - np.log(2)], rtol=1e-5)
    slope = gradient(lambda z: negative_learning(negatives=told, logits=z), sure)
    np.testing.assert_allclose(slope, [[1, -0.5, -0.5]], atol=1e-5)


def test_the_complement_by_hand():
    targets = np.array([[0.0, 1.0, 0.0], [0.5, 0.3, 0.2]], np.float32)
    found = complement(targets=targets)
    np.testing.assert_allclose(found, [[0.5, 0, 0.5], [0.25, 0.35, 0.4]], rtol=1e-6)


def test_the_complement_is_what_the_paper_draws():
    """A label from the soft target, then one of the other classes, all alike."""
    rng = np.random.default_rng(0)
    labels = rng.choice(CLASSES, 200_000, p=SOFT[0] / SOFT[0].sum(dtype=np.float64))
    drawn = (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES
    frequencies = np.bincount(drawn, minlength=CLASSES) / len(drawn)
    np.testing.assert_allclose(complement(targets=SOFT)[0], frequencies, atol=0.005)


def test_who_predicts_the_votes_has_nothing_to_learn_from_their_complement(gradient):
    negatives = complement(targets=SOFT)
    slope = gradient(
        lambda z: negative_learning(negatives=negatives, logits=z), np.log(SOFT)
    )
    np.testing.assert_allclose(slope, np.zeros_like(SOFT), atol=1e-6)


@pytest.mark.parametrize("least", [0.0, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_gate_is_scipys_entropy(least, scale):
    shares = entropy(softmax(scale * LOGITS, axis=-1), axis=-1, base=CLASSES)
    found = is_unsure(logits=scale * LOGITS, least_entropy=least)
    np.testing.assert_array_equal(found, (shares >= least).astype(np.float32))


def test_the_gate_lets_the_unsure_through_and_all_at_0():
    logits = np.array([[0.0, 0, 0], [90.0, 0, 0], [1.0, 0, 0]], np.float32)
    some = is_unsure(logits=logits, least_entropy=0.95)
    np.testing.assert_array_equal(some, [1, 0, 0])
    every = is_unsure(logits=logits, least_entropy=0.0)
    np.testing.assert_array_equal(every, [1, 1, 1])
