"""Prediction sets: the quantile, the promise, and groups that count once."""

import math

import numpy as np
import pytest

from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.conformal import prediction_sets
from fer_tf.conformal import set_threshold


def drawn(count, rng, temperature=1.0):
    """Return logits, and labels that softmax(logits / temperature) has drawn."""
    logits = 2 * rng.normal(size=(count, 7))
    probs = metrics.softmax(logits / temperature)
    labels = (probs.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return logits, labels.clip(max=6)


def held(labels, probs, threshold):
    return prediction_sets(probs, threshold)[np.arange(len(labels)), labels]


@pytest.mark.parametrize("count", [9, 10, 57, 1000])
@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.9])
def test_with_a_row_per_group_it_is_the_split_conformal_quantile(count, wanted):
    logits, labels = drawn(count, np.random.default_rng(count))
    probs = metrics.softmax(logits)
    scores = 1 - probs[np.arange(count), labels]
    level = math.ceil(round((count + 1) * wanted, 9)) / count
    expected = 1 - np.quantile(scores, level, method="inverted_cdf")
    found = set_threshold(labels, probs, np.arange(count), wanted)
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_threshold_of_groups_by_hand():
    probs = np.zeros((6, 7))
    probs[:, 0] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    labels = np.zeros(6, int)
    # Weights 1/3 for a, 1 for each other; the sum so far: 1/3, 2/3, 1, 2, 3, 4.
    groups = np.array(["a", "a", "a", "b", "c", "d"])
    assert set_threshold(labels, probs, groups, 0.2) == 0.7
    assert set_threshold(labels, probs, groups, 0.4) == 0.6
    assert set_threshold(labels, probs, groups, 0.8) == 0.4


def test_too_few_groups_promise_nothing_but_all_classes():
    logits, labels = drawn(8, np.random.default_rng(0))
    probs = metrics.softmax(logits)
    assert set_threshold(labels, probs, np.arange(8), 0.9) == 0
    assert prediction_sets(probs, 0).all()


def test_a_duplicate_changes_nothing():
    logits, labels = drawn(200, np.random.default_rng(1))
    probs = metrics.softmax(logits)
    groups = np.arange(200)
    rows = np.r_[groups, np.repeat(np.flatnonzero(probs.max(axis=1) > 0.8), 9)]
    alone = set_threshold(labels, probs, groups, 0.9)
    assert set_threshold(labels[rows], probs[rows], groups[rows], 0.9) == alone
    counted_each = set_threshold(
        labels[rows], probs[rows], np.arange(len(rows)), 0.9
    )
    assert counted_each != alone


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(2)
    logits, labels = drawn(300, rng)
    probs, groups = metrics.softmax(logits), rng.integers(90, size=300)
    order = rng.permutation(300)
    assert set_threshold(labels[order], probs[order], groups[order], 0.9) == (
        set_threshold(labels, probs, groups, 0.9)
    )


def test_a_higher_wanted_coverage_has_larger_sets_that_hold_the_smaller():
    logits, labels = drawn(500, np.random.default_rng(3))
    probs = metrics.softmax(logits)
    thresholds = [
        set_threshold(labels, probs, np.arange(500), wanted)
        for wanted in (0.5, 0.7, 0.9, 0.99)
    ]
    sets = [prediction_sets(probs, threshold) for threshold in thresholds]
    for smaller, larger in zip(sets, sets[1:], strict=False):
        assert (smaller <= larger).all()
        assert smaller.sum() < larger.sum()


def five_deviations(wanted, trials):
    """Five times the deviation of the share of `trials` that succeed."""
    return 5 * math.sqrt(wanted * (1 - wanted) / trials)


@pytest.mark.parametrize("wanted", [0.7, 0.9])
def test_the_promise_holds_for_a_model_that_is_not_calibrated(wanted):
    """A new record's set holds its label in wanted..wanted + 1 / (n + 1) of draws."""
    rng = np.random.default_rng(4)
    count, trials = 49, 4000
    hits = 0
    for _ in range(trials):
        logits, labels = drawn(count + 1, rng, temperature=3)
        probs = metrics.softmax(logits)
        threshold = set_threshold(
            labels[:-1], probs[:-1], np.arange(count), wanted
        )
        hits += held(labels[-1:], probs[-1:], threshold).item()
    slack = five_deviations(wanted, trials)
    assert wanted - slack <= hits / trials <= wanted + 1 / (count + 1) + slack


def test_the_promise_holds_for_a_new_group_where_groups_differ():
    """Large groups are easy and small ones hard: to count rows would fail."""
    rng = np.random.default_rng(5)
    wanted, trials = 0.8, 2000
    by_group = by_row = 0
    for _ in range(trials):
        easy = rng.random(40) < 0.5
        groups = np.repeat(np.arange(40), np.where(easy, 12, 1))
        logits = rng.normal(size=(len(groups), 7)) + 4 * np.eye(7)[0] * (
            easy[groups, None]
        )
        labels, probs = np.zeros(len(groups), int), metrics.softmax(logits)
        known, new = groups < 39, np.flatnonzero(groups == 39)[:1]
        for_groups = set_threshold(labels[known], probs[known], groups[known], wanted)
        each = np.arange(known.sum())
        for_rows = set_threshold(labels[known], probs[known], each, wanted)
        by_group += held(labels[new], probs[new], for_groups).item()
        by_row += held(labels[new], probs[new], for_rows).item()
    slack = five_deviations(wanted, trials)
    assert by_group / trials >= wanted - slack
    assert by_row / trials < wanted - slack


def test_a_temperature_of_the_same_records_leaves_the_coverage():
    rng = np.random.default_rng(6)
    wanted, trials, count = 0.9, 300, 300
    hits = 0
    for _ in range(trials):
        logits, labels = drawn(2 * count, rng, temperature=2)
        fitted = Calibration.fit(
            logits[:count], labels[:count], 0.9, "validation", wanted_coverage=wanted
        )
        probs = metrics.softmax(fitted.scaling.apply(logits[count:]))
        hits += held(labels[count:], probs, fitted.set_threshold).mean()
    # The coverage that one calibration gives is Beta distributed over calibrations.
    assert hits / trials == pytest.approx(wanted, abs=five_deviations(0.9, 300 * 150))


@pytest.mark.parametrize("wanted", [0, 1, -0.1, np.nan])
def test_a_coverage_outside_0_to_1_is_refused(wanted):
    with pytest.raises(ValueError, match=f"`wanted_coverage`.* {wanted}"):
        set_threshold(np.zeros(3, int), np.eye(7)[:3], np.arange(3), wanted)


def test_rows_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"`groups`.* 3\b.* 3\b.* 2\b"):
        set_threshold(np.zeros(3, int), np.eye(7)[:3], np.arange(2), 0.9)
