import json

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as reference

from fer_tf import metrics

CLASSES = range(7)


@pytest.fixture
def answers():
    """Labels [500] of six of the classes, and probabilities [500, 7]."""
    rng = np.random.default_rng(3)
    labels = rng.choice([0, 2, 3, 4, 5, 6], 500)
    logits = rng.normal(size=(500, 7)) + 1.5 * np.eye(7)[labels]
    return labels, special.softmax(2 * logits, axis=1)


def certain(predictions):
    return np.eye(7)[predictions]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_softmax_agrees_with_scipy(scale):
    logits = scale * np.random.default_rng(0).normal(size=(5, 3, 7))
    np.testing.assert_allclose(metrics.softmax(logits), special.softmax(logits, -1))
    np.testing.assert_allclose(
        metrics.log_softmax(logits), special.log_softmax(logits, -1)
    )


def test_softmax_ignores_a_shift_and_sums_to_one():
    logits = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    probs = metrics.softmax(logits + 1000)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    np.testing.assert_allclose(probs, metrics.softmax(logits), rtol=1e-3)


def test_probabilities_give_the_logits_back_but_for_a_number_each():
    logits = np.random.default_rng(0).normal(size=(50, 7))
    found = metrics.logits_of(metrics.softmax(logits).astype(np.float32)) - logits
    np.testing.assert_allclose(found, found[:, :1].repeat(7, axis=1), atol=1e-4)


def test_a_probability_of_0_has_a_logit():
    assert np.isfinite(metrics.logits_of(np.array([[0.0, 1.0]], np.float32))).all()


def test_counts_agree_with_scikit_learn(answers):
    labels, probs = answers
    predictions = probs.argmax(axis=1)
    f1 = {"labels": CLASSES, "zero_division": 0, "average": None}
    np.testing.assert_array_equal(
        metrics.confusion(labels, predictions),
        reference.confusion_matrix(labels, predictions, labels=CLASSES),
    )
    np.testing.assert_allclose(
        metrics.per_class_f1(labels, predictions),
        reference.f1_score(labels, predictions, **f1),
    )
    assert metrics.macro_f1(labels, predictions) == pytest.approx(
        reference.f1_score(labels, predictions, **{**f1, "average": "macro"})
    )
    assert metrics.accuracy(labels, predictions) == pytest.approx(
        reference.accuracy_score(labels, predictions)
    )


def test_f1_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 6])
    predictions = np.array([0, 0, 1, 1, 6, 6])
    # Angry: TP 2, FN 1. Disgust: TP 1, FP 1, FN 1. Neutral: TP 1, FP 1.
    expected = [4 / 5, 1 / 2, 0, 0, 0, 0, 2 / 3]
    np.testing.assert_allclose(metrics.per_class_f1(labels, predictions), expected)
    present = metrics.macro_f1(labels, predictions, present_only=True)
    assert present == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
    assert metrics.macro_f1(labels, predictions) == pytest.approx(present * 3 / 7)
    assert metrics.lowest_f1(labels, predictions, count=5) == pytest.approx(0.1)


def test_proper_scores_agree_with_scikit_learn(answers):
    labels, probs = answers
    assert metrics.nll(labels, probs) == pytest.approx(
        reference.log_loss(labels, probs, labels=CLASSES)
    )
    assert metrics.brier(labels, probs) == pytest.approx(
        reference.brier_score_loss(
            labels, probs, labels=CLASSES, scale_by_half=False
        )
    )


def test_proper_scores_by_hand():
    labels, probs = np.array([1]), np.array([[0.5, 0.25, 0.25, 0, 0, 0, 0]])
    assert metrics.nll(labels, probs) == pytest.approx(np.log(4))
    assert metrics.brier(labels, probs) == pytest.approx(0.25 + 0.5625 + 0.0625)
    assert metrics.nll(labels, certain([0])) == pytest.approx(-np.log(metrics.TINY))
    assert metrics.brier(labels, certain([0])) == 2


def naive_ece(labels, probs, bins):
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == labels
    total = 0.0
    for low, high in zip(np.arange(bins) / bins, np.arange(1, bins + 1) / bins):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            total += inside.sum() / len(labels) * gap
    return total


@pytest.mark.parametrize("bins", [1, 2, 10, 15, 100])
def test_ece_agrees_with_a_loop(answers, bins):
    assert metrics.ece(*answers, bins) == pytest.approx(naive_ece(*answers, bins))


def test_ece_by_hand():
    probs = np.full((4, 7), 0.2 / 6)
    probs[:, 0] = 0.8
    assert metrics.ece(np.array([0, 0, 0, 1]), probs) == pytest.approx(0.05)
    assert metrics.ece(np.array([0, 0]), certain([0, 1])) == pytest.approx(0.5)


def test_the_reliability_table_holds_every_answer_once(answers):
    table = metrics.reliability(*answers)
    assert table.counts.sum() == len(answers[0])
    inside = table.counts > 0
    assert (table.confidence[inside] > table.edges[:-1][inside]).all()
    assert (table.confidence[inside] <= table.edges[1:][inside]).all()


def test_risk_coverage_by_hand():
    probs = np.full((4, 7), 0.0)
    probs[:, 0] = [0.9, 0.8, 0.7, 0.6]
    probs[:, 1] = 1 - probs[:, 0]
    labels = np.array([0, 1, 0, 1])
    coverage, risk = metrics.risk_coverage(labels, probs)
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert metrics.aurc(labels, probs) == pytest.approx(1 / 3)


def test_risk_coverage_does_not_depend_on_the_order_of_equals():
    labels, probs = np.array([0, 0, 1, 1]), certain([0, 0, 0, 0])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        _, risk = metrics.risk_coverage(labels[order], probs)
        np.testing.assert_allclose(risk, 0.5)


def test_no_figure_depends_on_the_order_of_rows(answers):
    labels, probs = answers
    order = np.random.default_rng(1).permutation(len(labels))
    before, after = (
        metrics.summary(labels, probs),
        metrics.summary(labels[order], probs[order]),
    )
    for name, value in before.items():
        assert after[name] == pytest.approx(value), name


def test_the_bootstrap_finds_the_standard_error_of_a_mean():
    values = np.random.default_rng(0).normal(size=400)
    low, high = metrics.bootstrap_interval(
        np.mean, values, groups=np.arange(400), resamples=1000
    )
    half_width = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half_width, abs=0.02)
    assert high == pytest.approx(values.mean() + half_width, abs=0.02)


def test_the_bootstrap_draws_whole_groups():
    values = np.repeat(np.random.default_rng(0).normal(size=50), 16)
    groups = np.repeat(np.arange(50), 16)
    by_row, by_group = (
        metrics.bootstrap_interval(np.mean, values, groups=each, resamples=1000)
        for each in (np.arange(800), groups)
    )
    # 16 copies of each value: the honest interval is sqrt(16) times as wide.
    assert np.ptp(by_group) / np.ptp(by_row) == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("sizes", [[1], [1, 2, 5]], ids=["alone", "uneven"])
def test_duplicates_within_their_group_do_not_shrink_intervals(answers, sizes):
    groups = np.repeat(np.arange(500), np.resize(sizes, 500))[:500]
    options = {"resamples": 200, "seed": 4}
    once = metrics.with_intervals(metrics.headline, *answers, groups=groups, **options)
    twice = [np.repeat(column, 2, axis=0) for column in (*answers, groups)]
    grouped = metrics.with_intervals(
        metrics.headline, *twice[:2], groups=twice[2], **options
    )
    alone = metrics.with_intervals(
        metrics.headline, *twice[:2], groups=np.arange(1000), **options
    )
    for name, interval in once.items():
        assert grouped[name] == pytest.approx(interval), name
        assert alone[name][0] == pytest.approx(interval[0]), name
        assert np.ptp(alone[name][1:]) < 0.9 * np.ptp(interval[1:]), name


def test_names_of_groups_do_not_matter(answers):
    groups = np.arange(500) // 3
    words = np.array([f"person {group:03}" for group in groups])
    one, other = (
        metrics.with_intervals(metrics.headline, *answers, groups=names, resamples=20)
        for names in (groups, words)
    )
    assert one == other


def test_votes_get_intervals_as_labels_do(answers):
    labels, probs = answers
    table = metrics.with_intervals(
        metrics.votes_summary,
        0.7 * np.eye(7)[labels] + 0.3 / 7,
        probs,
        groups=np.arange(500),
        resamples=100,
    )
    value, low, high = table["expected_accuracy"]
    assert low < value < high


def test_the_bootstrap_is_paired_and_repeatable():
    values = np.random.default_rng(0).normal(size=60)

    def gap(one, other):
        return (one - other).mean()

    options = {"groups": np.arange(60), "resamples": 50}
    shifted = metrics.bootstrap_interval(gap, values + 1, values, **options)
    np.testing.assert_allclose(shifted, [1, 1])
    one, same, other = (
        metrics.bootstrap_interval(np.mean, values, seed=seed, **options)
        for seed in (0, 0, 1)
    )
    assert (one == same).all() and (one != other).any()


def test_with_intervals_puts_the_value_inside(answers):
    table = metrics.with_intervals(
        metrics.headline, *answers, groups=np.arange(500), resamples=200
    )
    assert table.keys() == metrics.headline(*answers).keys()
    for name, (value, low, high) in table.items():
        assert value == metrics.headline(*answers)[name]
        assert low < value < high


def test_a_summary_holds_each_figure_under_its_name(answers):
    labels, probs = answers
    predictions = probs.argmax(axis=1)
    table = metrics.summary(labels, probs)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    for name in ("accuracy", "macro_f1", "balanced_accuracy"):
        assert table[name] == getattr(metrics, name)(labels, predictions), name
    for name in ("nll", "brier", "ece", "classwise_ece", "aurc"):
        assert table[name] == getattr(metrics, name)(labels, probs), name
    for name in ("per_class_f1", "per_class_precision", "per_class_recall"):
        assert table[name] == getattr(metrics, name)(labels, predictions).tolist()
    assert table["lowest_three_f1"] == metrics.lowest_f1(labels, predictions, 3)
    assert table["macro_f1_present"] == metrics.macro_f1(labels, predictions, True)
    assert table["ece_equal_mass"] == metrics.ece(labels, probs, equal_mass=True)
    assert table["coverage_at"] == {
        wanted: metrics.coverage_at(labels, probs, float(wanted))
        for wanted in ("0.8", "0.9", "0.95")
    }
    assert sum(table["n_per_class"]) == table["n"] == 500


def test_differences_by_hand():
    labels = np.arange(7)
    right, wrong = certain(labels), certain((labels + 1) % 7)
    assert metrics.differences(labels, right, wrong) == pytest.approx(
        {
            "accuracy": 1,
            "balanced_accuracy": 1,
            "macro_f1": 1,
            "lowest_three_f1": 1,
            "nll": np.log(metrics.TINY),
            "ece": -1,
        }
    )


@pytest.mark.parametrize(
    ("labels", "probs", "message"),
    [
        ([0, 7], certain([0, 1]), r"`labels`.*0\.\.6.*\[0 7\]"),
        ([0.0, 1.0], certain([0, 1]), r"`labels`.*float64.*\[0\. 1\.\]"),
        ([], np.zeros((0, 7)), r"`labels`.*\[0\]"),
        ([0], certain([0, 1]), r"`probs`.*\[1, 7\].*\[2, 7\]"),
        ([0, 1], 3 * certain([0, 1]), r"`probs`.*\b3 to 3\b"),
        ([0, 1], np.full((2, 7), np.nan), "`probs`.*nan"),
    ],
)
def test_a_malformed_argument_is_refused(labels, probs, message):
    with pytest.raises(ValueError, match=message):
        metrics.nll(np.array(labels), probs)


def test_rows_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match=r"`predictions`.* 2\b.*`labels`.* 1\b"):
        metrics.accuracy(np.array([0, 1]), np.array([0]))
    with pytest.raises(ValueError, match=r"`columns`.* 2\b.*`groups`.*\[3\]"):
        metrics.bootstrap_interval(np.mean, np.zeros(3), groups=np.zeros(2))


@pytest.mark.parametrize("options", [{"resamples": 0}, {"level": 0}, {"level": 95}])
def test_an_interval_that_cannot_be_is_refused(options):
    with pytest.raises(ValueError, match="`resamples`.*`level`"):
        metrics.bootstrap_interval(
            np.mean, np.zeros(3), groups=np.arange(3), **options
        )


def test_everything_public_is_there():
    assert metrics.__all__ == sorted(set(metrics.__all__))
    assert all(hasattr(metrics, name) for name in metrics.__all__)
