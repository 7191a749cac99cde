"""Metrics under a uniform class prior, compared with Bayes' rule and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.metrics import log_loss

from fer_tf import metrics

SKEWED = np.array([0.08, 0.01, 0.02, 0.28, 0.12, 0.12, 0.37])


def gaussians(prior, count=20_000, seed=0):
    """Labels drawn from `prior`, and the exact posteriors of seven Gaussian classes."""
    rng = np.random.default_rng(seed)
    means = 1.5 * np.eye(7)
    labels = rng.choice(7, size=count, p=prior)
    points = means[labels] + rng.normal(size=(count, 7))
    distances = ((points[:, None] - means) ** 2).sum(axis=2)
    likelihood = np.exp(-distances / 2)
    joint = likelihood * prior
    return labels, joint / joint.sum(axis=1, keepdims=True), likelihood


def test_reweighting_gives_the_posterior_under_the_uniform_prior():
    _, probs, likelihood = gaussians(SKEWED, count=50)
    expected = likelihood / likelihood.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(metrics.to_uniform_prior(probs, SKEWED), expected)


def test_a_uniform_prior_changes_nothing():
    _, probs, _ = gaussians(np.full(7, 1 / 7), count=50)
    uniform = metrics.to_uniform_prior(probs, np.full(7, 1 / 7))
    np.testing.assert_allclose(uniform, probs)


def test_classes_can_be_permuted():
    labels, probs, _ = gaussians(SKEWED, count=200)
    order = np.random.default_rng(1).permutation(7)
    renamed = np.argsort(order)[labels]
    both = (
        metrics.balanced_nll(labels, probs, SKEWED),
        metrics.balanced_nll(renamed, probs[:, order], SKEWED[order]),
    )
    assert both[0] == pytest.approx(both[1])


def test_the_source_prior_of_exact_posteriors_is_the_prior():
    labels, probs, _ = gaussians(SKEWED)
    np.testing.assert_allclose(metrics.source_prior(probs), SKEWED, atol=0.006)


def test_balanced_nll_does_not_follow_the_class_frequencies():
    """The same likelihoods under two priors: NLL differs, balanced NLL does not."""
    values = {}
    for name, prior in (("skewed", SKEWED), ("uniform", np.full(7, 1 / 7))):
        labels, probs, _ = gaussians(prior, count=60_000)
        values[name] = (
            metrics.nll(labels, probs),
            metrics.balanced_nll(labels, probs, metrics.source_prior(probs)),
        )
    assert abs(values["skewed"][0] - values["uniform"][0]) > 0.1
    assert values["skewed"][1] == pytest.approx(values["uniform"][1], abs=0.02)


def test_balanced_nll_is_scikit_learns_with_balanced_sample_weights():
    labels, probs, _ = gaussians(SKEWED, count=3000)
    uniform = metrics.to_uniform_prior(probs, SKEWED)
    weights = 1 / np.bincount(labels, minlength=7)[labels]
    expected = log_loss(labels, uniform, sample_weight=weights, labels=range(7))
    assert metrics.balanced_nll(labels, probs, SKEWED) == pytest.approx(expected)


def test_knowing_nothing_scores_log_seven():
    labels = np.array([0, 0, 0, 5, 6])
    probs = np.tile(SKEWED, (5, 1))
    assert metrics.balanced_nll(labels, probs, SKEWED) == pytest.approx(np.log(7))


def test_a_class_that_labels_lack_has_no_weight():
    probs = np.full((3, 7), 0.1)
    probs[[0, 1, 2], [2, 2, 4]] = 0.4
    labels = np.array([2, 2, 0])
    # Two rows of class 2 count as much as the one row of class 0.
    expected = (-np.log(0.4) - np.log(0.1)) / 2
    prior = np.full(7, 1 / 7)
    assert metrics.balanced_nll(labels, probs, prior) == pytest.approx(expected)


def test_the_summary_is_of_the_reweighted_predictions():
    labels, probs, _ = gaussians(SKEWED, count=5000)
    summary = metrics.uniform_prior_summary(labels, probs, SKEWED)
    predictions = (probs / SKEWED).argmax(axis=1)
    assert summary["accuracy"] == np.mean(predictions == labels)
    balanced = balanced_accuracy_score(labels, predictions)
    assert summary["balanced_accuracy"] == pytest.approx(balanced)
    trained = metrics.balanced_accuracy(labels, probs.argmax(axis=1))
    assert summary["balanced_accuracy"] > trained + 0.03
    assert np.mean(summary["per_class_recall"]) == pytest.approx(balanced)


def test_a_class_that_is_never_predicted_stays_finite():
    probs = np.array([[0.5, 0.5, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]], float)
    uniform = metrics.to_uniform_prior(probs, metrics.source_prior(probs))
    assert np.isfinite(uniform).all()
    np.testing.assert_allclose(uniform.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("probs", "prior", "datum"),
    [
        (np.full((2, 7), 1.0), SKEWED, "`probs`"),
        (np.full((2, 6), 1 / 6), SKEWED, r"\[2, 7\]"),
        (np.full((2, 7), 1 / 7), SKEWED[:6], "`prior`"),
        (np.full((2, 7), 1 / 7), SKEWED * 2, "`prior`"),
        (np.full((2, 7), 1 / 7), np.full(7, np.nan), "`prior`"),
    ],
)
def test_what_is_no_distribution_is_an_error(probs, prior, datum):
    with pytest.raises(ValueError, match=datum):
        metrics.to_uniform_prior(probs, prior)


def test_the_prior_of_no_predictions_is_an_error():
    with pytest.raises(ValueError, match=r"n > 0"):
        metrics.source_prior(np.empty((0, 7)))
