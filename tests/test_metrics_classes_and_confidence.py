"""Balance, precision and recall, calibration error and coverage."""

import numpy as np
import pytest
from scipy import special
from sklearn import calibration as reference_calibration
from sklearn import metrics as reference

from fer_tf import metrics
from fer_tf.calibration import abstain_threshold

CLASSES = list(range(7))
KINDS = pytest.mark.parametrize("kind", ["all", "absent", "one", "perfect", "constant"])


def some_answers(kind, seed=0):
    """Labels [n] and probabilities [n, 7] of a kind that figures may trip over."""
    rng = np.random.default_rng(seed)
    n = 1 if kind == "one" else 500
    labels = rng.choice([0, 2, 3, 6] if kind == "absent" else CLASSES, n)
    logits = 2 * rng.normal(size=(n, 7)) + 3 * np.eye(7)[labels]
    if kind == "absent":
        logits[:, 5] = -30
    if kind == "perfect":
        logits = 50 * np.eye(7)[labels]
    if kind == "constant":
        logits = np.tile([1.0, 0, 0, 0, 0, 0, 0], (n, 1))
    return labels, special.softmax(logits, axis=1)


def certain(predictions):
    return np.eye(7)[predictions]


def confident(confidence, rows=1):
    """Probabilities [rows, 7] of class 0, and the rest of class 1."""
    probs = np.zeros((rows, 7))
    probs[:, 0] = confidence
    probs[:, 1] = 1 - probs[:, 0]
    return probs


@KINDS
def test_precision_and_recall_agree_with_scikit_learn(kind):
    labels, probs = some_answers(kind)
    predictions = probs.argmax(axis=1)
    options = {"labels": CLASSES, "zero_division": 0, "average": None}
    for ours, theirs in (
        (metrics.per_class_precision, reference.precision_score),
        (metrics.per_class_recall, reference.recall_score),
        (metrics.per_class_f1, reference.f1_score),
    ):
        np.testing.assert_allclose(
            ours(labels, predictions), theirs(labels, predictions, **options)
        )


@KINDS
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_means_over_classes_agree_with_scikit_learn(kind):
    labels, probs = some_answers(kind)
    predictions = probs.argmax(axis=1)
    assert metrics.balanced_accuracy(labels, predictions) == pytest.approx(
        reference.balanced_accuracy_score(labels, predictions)
    )
    options = {"zero_division": 0, "average": "macro"}
    assert metrics.macro_f1(labels, predictions) == pytest.approx(
        reference.f1_score(labels, predictions, labels=CLASSES, **options)
    )
    assert metrics.macro_f1(labels, predictions, present_only=True) == pytest.approx(
        reference.f1_score(labels, predictions, labels=np.unique(labels), **options)
    )


def test_precision_and_recall_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 6])
    predictions = np.array([0, 0, 1, 1, 6, 6])
    np.testing.assert_allclose(
        metrics.per_class_precision(labels, predictions), [1, 0.5, 0, 0, 0, 0, 0.5]
    )
    np.testing.assert_allclose(
        metrics.per_class_recall(labels, predictions), [2 / 3, 0.5, 0, 0, 0, 0, 1]
    )
    balanced = metrics.balanced_accuracy(labels, predictions)
    assert balanced == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


def test_a_constant_answer_is_balanced_by_chance():
    labels = np.array([3] * 90 + [0] * 9 + [1])
    answer = np.full(100, 3)
    assert metrics.accuracy(labels, answer) == 0.9
    assert metrics.balanced_accuracy(labels, answer) == pytest.approx(1 / 3)


def test_balance_is_accuracy_where_classes_are_equally_common():
    labels = np.repeat(CLASSES, 30)
    predictions = np.random.default_rng(0).permutation(labels)
    assert metrics.balanced_accuracy(labels, predictions) == pytest.approx(
        metrics.accuracy(labels, predictions)
    )


@pytest.mark.parametrize("equal_mass", [False, True])
@pytest.mark.parametrize("bins", [1, 10, 20])
def test_reliability_agrees_with_scikit_learn(bins, equal_mass):
    labels, probs = some_answers("all")
    table = metrics.reliability(labels, probs, bins, equal_mass)
    accuracy, confidence = reference_calibration.calibration_curve(
        probs.argmax(axis=1) == labels,
        probs.max(axis=1),
        n_bins=bins,
        strategy="quantile" if equal_mass else "uniform",
    )
    filled = table.counts > 0
    np.testing.assert_allclose(table.accuracy[filled], accuracy)
    np.testing.assert_allclose(table.confidence[filled], confidence)


def parted_ece(confidence, right, bins):
    """Bins of equal mass as the definition says, where no two are equal."""
    order = np.argsort(confidence)
    ends = [-(-m * len(order) // bins) for m in range(1, bins)]
    parts = [part for part in np.split(order, ends) if len(part)]
    gaps = [abs(right[part].mean() - confidence[part].mean()) for part in parts]
    return np.average(gaps, weights=[len(part) for part in parts])


def test_chance_ece_of_one_confidence_is_the_spread_of_a_binomial():
    """E|k / n - p| is sqrt(2 p (1 - p) / (pi n)) for a large n."""
    expected = np.sqrt(2 * 0.7 * 0.3 / (np.pi * 2000))
    found = metrics.chance_ece(confident(0.7, 2000), draws=2000)
    assert found == pytest.approx(expected, rel=0.05)


def test_labels_drawn_from_the_probabilities_show_the_ece_of_chance():
    _, probs = some_answers("all")
    rng = np.random.default_rng(1)
    drawn = [
        metrics.ece(np.array([rng.choice(7, p=row) for row in probs]), probs)
        for _ in range(40)
    ]
    assert metrics.chance_ece(probs) == pytest.approx(np.mean(drawn), rel=0.1)
    assert metrics.chance_ece(probs, seed=1) != metrics.chance_ece(probs, seed=2)


@pytest.mark.parametrize("bins", [1, 2, 7, 15, 499, 500, 800])
def test_ece_of_equal_mass_agrees_with_a_loop(bins):
    labels, probs = some_answers("all")
    right = (probs.argmax(axis=1) == labels).astype(float)
    assert metrics.ece(labels, probs, bins, equal_mass=True) == pytest.approx(
        parted_ece(probs.max(axis=1), right, bins)
    )


@pytest.mark.parametrize("bins", [1, 3, 15, 400, 500, 900])
def test_bins_of_equal_mass_are_even_and_ordered(bins):
    table = metrics.reliability(*some_answers("all"), bins, equal_mass=True)
    assert table.counts.sum() == 500
    assert np.ptp(table.counts) <= 1
    assert table.edges[0] == 0 and table.edges[-1] == 1
    assert (np.diff(table.edges) >= 0).all() and len(table.edges) == bins + 1
    inside = table.counts > 0
    tiny = 1e-12
    assert (table.confidence >= table.edges[:-1] - tiny)[inside].all()
    assert (table.confidence <= table.edges[1:] + tiny)[inside].all()


def test_ece_of_equal_mass_by_hand():
    probs = confident([0.6, 0.7, 0.8, 0.9], rows=4)
    labels = np.array([1, 0, 0, 0])
    # Two bins: half of .65 and all of .85 are right.
    ece = metrics.ece(labels, probs, bins=2, equal_mass=True)
    assert ece == pytest.approx((0.15 + 0.15) / 2)
    table = metrics.reliability(labels, probs, bins=2, equal_mass=True)
    np.testing.assert_allclose(table.edges, [0, 0.7, 1])


@pytest.mark.parametrize("equal_mass", [False, True])
def test_equal_confidences_are_one_bin_whatever_their_order(equal_mass):
    labels = np.array([0, 0, 0, 1])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        ece = metrics.ece(labels[order], confident(0.8, 4), 4, equal_mass)
        assert ece == pytest.approx(0.05)


@pytest.mark.parametrize("equal_mass", [False, True])
@KINDS
def test_classwise_ece_is_the_mean_over_one_against_the_rest(kind, equal_mass):
    labels, probs = some_answers(kind)
    bins = 10
    expected = []
    for c in CLASSES:
        p, is_class = probs[:, c], (labels == c).astype(float)
        if equal_mass and kind in ("all", "absent", "one"):
            expected.append(parted_ece(p, is_class, bins))
            continue
        # The other kinds have but a few values, which share their bin.
        place = np.digitize(p, np.arange(1, bins) / bins, right=True)
        gaps = np.bincount(place, is_class - p, bins)
        expected.append(np.abs(gaps).sum() / len(labels))
    assert metrics.classwise_ece(labels, probs, bins, equal_mass) == pytest.approx(
        np.mean(expected), abs=1e-12
    )


def test_classwise_ece_sees_what_the_likeliest_class_hides():
    # Class 0 is .5 and right half of the time; the rest is class 2, never class 1.
    labels, probs = np.array([0, 2]), confident(0.5, rows=2)
    assert metrics.ece(labels, probs) == pytest.approx(0)
    # Class 1 is told .5 and never is; class 2 is told 0 and is half of the time.
    assert metrics.classwise_ece(labels, probs) == pytest.approx((0.5 + 0.5) / 7)


@pytest.mark.parametrize("equal_mass", [False, True])
def test_certainty_that_is_right_has_no_calibration_error(equal_mass):
    labels = np.arange(7)
    for figure in (metrics.ece, metrics.classwise_ece):
        assert figure(labels, certain(labels), 15, equal_mass) == 0
        assert figure(labels[:1], certain(labels[:1]), 15, equal_mass) == 0


@pytest.mark.parametrize("equal_mass", [False, True])
def test_ece_falls_towards_zero_where_labels_follow_the_probabilities(equal_mass):
    rng = np.random.default_rng(0)
    probs = special.softmax(2 * rng.normal(size=(100_000, 7)), axis=1)
    labels = (rng.random((100_000, 1)) > probs.cumsum(axis=1)).sum(axis=1).clip(max=6)
    assert metrics.ece(labels, probs, 15, equal_mass) < 0.01
    assert metrics.classwise_ece(labels, probs, 15, equal_mass) < 0.005
    sharper = special.softmax(2 * np.log(probs), axis=1)
    assert metrics.ece(labels, sharper, 15, equal_mass) > 0.1


def test_no_bins_are_refused():
    labels, probs = some_answers("all")
    for figure in (metrics.ece, metrics.classwise_ece, metrics.reliability):
        with pytest.raises(ValueError, match=r"`bins`.*\b0\b"):
            figure(labels, probs, 0)


def naive_aurc(labels, probs):
    order = np.argsort(-probs.max(axis=1))
    wrong = (probs.argmax(axis=1) != labels)[order]
    return np.mean([wrong[:k].mean() for k in range(1, len(labels) + 1)])


@pytest.mark.parametrize("kind", ["all", "absent", "one", "perfect"])
def test_aurc_agrees_with_a_loop(kind):
    labels, probs = some_answers(kind)
    assert metrics.aurc(labels, probs) == pytest.approx(naive_aurc(labels, probs))


def test_aurc_of_a_constant_answer_is_its_error_rate():
    labels, probs = some_answers("constant")
    error = 1 - metrics.accuracy(labels, probs.argmax(axis=1))
    assert metrics.aurc(labels, probs) == pytest.approx(error)


def naive_coverage(labels, probs, wanted):
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == labels
    parts = [confidence >= threshold for threshold in confidence]
    return max(
        (part.mean() for part in parts if right[part].mean() >= wanted - 1e-12),
        default=0,
    )


@pytest.mark.parametrize("wanted", [0.1, 0.5, 0.8, 0.9, 0.99, 1])
@KINDS
def test_coverage_agrees_with_trying_every_threshold(kind, wanted):
    labels, probs = some_answers(kind)
    assert metrics.coverage_at(labels, probs, wanted) == pytest.approx(
        naive_coverage(labels, probs, wanted)
    )


@pytest.mark.parametrize("wanted", [0.7, 0.9])
def test_coverage_is_that_of_the_threshold_for_the_same_accuracy(wanted):
    labels, probs = some_answers("all")
    chosen = abstain_threshold(labels, probs, wanted, least=1)
    assert chosen.reached
    assert metrics.coverage_at(labels, probs, wanted) == chosen.coverage


def test_coverage_by_hand():
    probs = confident([0.9, 0.8, 0.7, 0.6], rows=4)
    labels = np.array([0, 1, 0, 0])
    for wanted, part in ((1, 0.25), (0.75, 1), (0.76, 0.25), (0.5, 1)):
        assert metrics.coverage_at(labels, probs, wanted) == part
    assert metrics.coverage_at(np.array([1, 0, 1, 1]), probs, 0.9) == 0
    # No threshold parts equals: it is all or nothing, as at .8 of these five.
    among = confident([0.95, 0.94, 0.93, 0.8, 0.8], rows=5)
    assert metrics.coverage_at(np.array([0, 0, 0, 0, 1]), among, 0.85) == 0.6
    assert metrics.coverage_at(labels, confident(0.9, 4), 0.75) == 1
    assert metrics.coverage_at(labels, confident(0.9, 4), 0.8) == 0


def test_more_accuracy_is_never_wanted_for_more_coverage():
    labels, probs = some_answers("all")
    parts = [
        metrics.coverage_at(labels, probs, wanted)
        for wanted in np.linspace(0.01, 1, 50)
    ]
    assert (np.diff(parts) <= 0).all() and parts[0] == 1


@pytest.mark.parametrize("wanted", [0, -0.1, 1.01, np.nan])
def test_an_accuracy_that_cannot_be_is_refused(wanted):
    with pytest.raises(ValueError, match=f"`wanted_accuracy`.* {wanted}"):
        metrics.coverage_at(*some_answers("all"), wanted)
