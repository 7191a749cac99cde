"""Figures against votes: a voter drawn at random is the oracle."""

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as reference

from fer_tf import metrics


@pytest.fixture
def voted():
    """Votes of ten as shares [300, 7], and probabilities [300, 7]."""
    rng = np.random.default_rng(5)
    truth = rng.dirichlet(np.full(7, 0.4), 300)
    shares = rng.multinomial(10, truth) / 10
    return shares, special.softmax(rng.normal(size=(300, 7)) + 3 * truth, axis=1)


def every_voter(shares, probs):
    """Each record once per class: labels, probabilities, and the voters' weight."""
    labels = np.tile(np.arange(7), len(shares))
    return labels, np.repeat(probs, 7, axis=0), shares.ravel()


def test_figures_are_those_of_every_voter_weighed(voted):
    labels, probs, weights = every_voter(*voted)
    weighed = {"sample_weight": weights}
    predictions = voted[1].argmax(axis=1)
    assert metrics.expected_accuracy(voted[0], predictions) == pytest.approx(
        reference.accuracy_score(labels, probs.argmax(axis=1), **weighed)
    )
    assert metrics.cross_entropy(*voted) == pytest.approx(
        reference.log_loss(labels, probs, labels=range(7), **weighed)
    )
    brier = reference.brier_score_loss(
        labels, probs, labels=range(7), scale_by_half=False, **weighed
    )
    disagreement = 1 - (voted[0] ** 2).sum(axis=1).mean()
    assert metrics.votes_brier(*voted) == pytest.approx(brier - disagreement)


@pytest.mark.parametrize("bins", [1, 2, 15, 100])
def test_ece_agrees_with_a_loop(voted, bins):
    shares, probs = voted
    confidence = probs.max(axis=1)
    right = shares[np.arange(300), probs.argmax(axis=1)]
    total = 0.0
    for low, high in zip(np.arange(bins) / bins, np.arange(1, bins + 1) / bins):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs((right - confidence)[inside].mean())
    assert metrics.votes_ece(shares, probs, bins) == pytest.approx(total)
    order = np.argsort(confidence)
    parts = np.split(order, [-(-m * 300 // bins) for m in range(1, bins)])
    gaps = [abs((right - confidence)[part].sum()) for part in parts]
    assert metrics.votes_ece(shares, probs, bins, equal_mass=True) == pytest.approx(
        sum(gaps) / 300
    )


def test_where_voters_agree_the_figures_are_those_of_the_label(voted):
    _, probs = voted
    labels = np.random.default_rng(0).integers(0, 7, 300)
    shares, predictions = np.eye(7)[labels], probs.argmax(axis=1)
    assert metrics.expected_accuracy(shares, predictions) == pytest.approx(
        metrics.accuracy(labels, predictions)
    )
    np.testing.assert_allclose(
        metrics.row_cross_entropy(shares, probs), metrics.row_nll(labels, probs)
    )
    assert metrics.votes_brier(shares, probs) == pytest.approx(
        metrics.brier(labels, probs)
    )
    for equal_mass in (False, True):
        assert metrics.votes_ece(shares, probs, 15, equal_mass) == pytest.approx(
            metrics.ece(labels, probs, 15, equal_mass)
        )
    assert metrics.entropy(shares) == 0


def test_by_hand():
    shares = np.array([[0.75, 0.25, 0, 0, 0, 0, 0], [0, 0, 0, 1.0, 0, 0, 0]])
    probs = np.array([[0.5, 0.5, 0, 0, 0, 0, 0], [0.25, 0, 0, 0.75, 0, 0, 0]])
    assert metrics.votes_summary(shares, probs) == pytest.approx(
        {
            "expected_accuracy": (0.75 + 1) / 2,
            "most_expected_accuracy": (0.75 + 1) / 2,
            "cross_entropy": (np.log(2) - np.log(0.75)) / 2,
            "least_cross_entropy": -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / 2,
            "brier": (2 * 0.25**2 + 2 * 0.25**2) / 2,
            "ece": 0.25,
        }
    )


def test_one_vote_for_what_was_ruled_out_is_finite():
    shares, probs = np.eye(7)[[1]], np.eye(7)[[0]]
    assert metrics.cross_entropy(shares, probs) == pytest.approx(-np.log(metrics.TINY))
    assert metrics.votes_brier(shares, probs) == 2


def test_no_answer_beats_the_votes_themselves(voted):
    shares, probs = voted
    best = metrics.votes_summary(shares, shares)
    ours = metrics.votes_summary(shares, probs)
    assert best["cross_entropy"] == best["least_cross_entropy"]
    assert best["expected_accuracy"] == best["most_expected_accuracy"] < 1
    assert best["brier"] == 0 and best["ece"] == pytest.approx(0)
    assert ours["cross_entropy"] > ours["least_cross_entropy"]
    assert ours["expected_accuracy"] < ours["most_expected_accuracy"]


def test_nothing_depends_on_the_order_of_rows(voted):
    order = np.random.default_rng(1).permutation(300)
    after = metrics.votes_summary(*(column[order] for column in voted))
    assert after == pytest.approx(metrics.votes_summary(*voted))


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (10 * np.eye(7)[[0, 1]], r"`distribution`.*\b10 to 10\b"),
        (np.zeros((2, 7)), r"`distribution`.*\b0 to 0\b"),
        (np.full((2, 7), np.nan), "`distribution`.*nan"),
        (np.array([0, 1]), r"`distribution`.*\[2, 7\].*\[2\]"),
        (np.zeros((0, 7)), r"`distribution`.*\[n, 7\]"),
        (np.eye(7)[:3], r"`probs`.*\[3, 7\].*\[2, 7\]"),
    ],
)
def test_malformed_votes_are_refused(shares, message):
    with pytest.raises(ValueError, match=message):
        metrics.cross_entropy(shares, np.eye(7)[[0, 1]])


def test_predictions_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match=r"`predictions`.* 2\b.*`distribution`.* 1\b"):
        metrics.expected_accuracy(np.eye(7)[:2], np.array([0]))
    with pytest.raises(ValueError, match=r"`predictions`.*float64.*\[0\.5\]"):
        metrics.expected_accuracy(np.eye(7)[:1], np.array([0.5]))
