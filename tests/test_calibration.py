import logging

import numpy as np
import pytest
from scipy import optimize

from fer_tf import files
from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.calibration import Scaling
from fer_tf.calibration import abstain_threshold
from fer_tf.calibration import cross_calibrated
from fer_tf.calibration import fit_balanced_temperature
from fer_tf.calibration import fit_temperature
from fer_tf.calibration import fit_vector
from fer_tf.calibration import halves
from fer_tf.errors import UserError


def drawn(temperature=1.0, count=4000, seed=0):
    """Return logits, and labels that softmax(logits / temperature) has drawn."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(count, 7))
    probs = metrics.softmax(logits / temperature)
    labels = (probs.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return logits, labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 12.0])
def test_the_temperature_that_drew_the_labels_is_found(temperature):
    logits, labels = drawn(temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.1)


def apply_temperature(logits, temperature):
    return metrics.softmax(Scaling(temperature).apply(logits))


@pytest.mark.parametrize("start", [0.05, 0.5, 1, 5, 50])
def test_the_fit_is_the_minimum_that_any_start_leads_to(start):
    logits, labels = drawn(1.7)

    def loss(log_temperature):
        probs = apply_temperature(logits, np.exp(log_temperature[0]))
        return metrics.nll(labels, probs)

    found = optimize.minimize(
        loss, [np.log(start)], method="Nelder-Mead", options={"xatol": 1e-6}
    )
    assert fit_temperature(logits, labels) == pytest.approx(np.exp(found.x[0]), 1e-4)


@pytest.mark.parametrize("scale", [0.01, 1, 30, 1000])
def test_the_temperature_follows_the_scale_and_is_not_clamped(scale):
    logits, labels = drawn(1.3)
    fitted = fit_temperature(scale * logits, labels)
    assert fitted == pytest.approx(scale * fit_temperature(logits, labels), rel=1e-6)


def test_arcface_logits_of_scale_30_need_more_than_5():
    rng = np.random.default_rng(0)
    labels = np.arange(2100) % 7
    cosines = np.clip(rng.normal(0, 0.3, (2100, 7)) + 0.35 * np.eye(7)[labels], -1, 1)
    temperature = fit_temperature(30 * cosines, labels)
    assert temperature > 5
    raw = metrics.ece(labels, metrics.softmax(30 * cosines))
    calibrated = metrics.ece(labels, apply_temperature(30 * cosines, temperature))
    assert calibrated < 0.05 < raw


@pytest.mark.parametrize("sign", [1, -1], ids=["all right", "knows nothing"])
def test_where_no_temperature_fits_one_is_kept_with_a_warning(sign, caplog):
    labels = np.arange(70) % 7
    with caplog.at_level(logging.WARNING):
        assert fit_temperature(sign * np.eye(7)[labels], labels) == 1
    assert [record.args for record in caplog.records] == [(70,)]


def test_temperature_one_is_the_identity_and_none_moves_the_answer():
    logits, _ = drawn(count=50)
    np.testing.assert_array_equal(apply_temperature(logits, 1), metrics.softmax(logits))
    for temperature in (0.1, 10):
        probs = apply_temperature(logits.reshape(5, 10, 7), temperature)
        answers = probs.argmax(axis=2).ravel()
        np.testing.assert_array_equal(answers, logits.argmax(axis=1))


@pytest.mark.parametrize("temperature", [0, -1, np.nan])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature"):
        apply_temperature(np.zeros(7), temperature)


WEIGHTS = np.array([0.6, 1.5, 0.9, 1.2, 0.8, 1.0, 1.1])
BIASES = np.array([0.5, -1.0, 0.2, 0.8, -0.6, 0.4, -0.3])


def drawn_by_vector(count=20000):
    """Return logits, and labels that softmax(WEIGHTS * logits + BIASES) has drawn."""
    logits, _ = drawn(count=count)
    rng = np.random.default_rng(1)
    probs = metrics.softmax(WEIGHTS * logits + BIASES)
    labels = (probs.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return logits, labels.clip(max=6)


def test_the_vector_that_drew_the_labels_is_found():
    weights, biases = fit_vector(*drawn_by_vector())
    np.testing.assert_allclose(weights, WEIGHTS, atol=0.06)
    np.testing.assert_allclose(biases, BIASES, atol=0.12)
    assert biases.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_vector_is_the_minimum_that_any_start_leads_to(seed):
    logits, labels = drawn_by_vector(2000)

    def loss(flat):
        return metrics.nll(labels, metrics.softmax(flat[:7] * logits + flat[7:]))

    start = np.random.default_rng(seed).normal(0, 2, 14)
    found = optimize.minimize(loss, start, method="L-BFGS-B", options={"maxfun": 10**5})
    weights, biases = fit_vector(logits, labels)
    assert loss(np.r_[weights, biases]) <= found.fun + 1e-9
    np.testing.assert_allclose(weights, found.x[:7], atol=5e-3)
    np.testing.assert_allclose(biases, found.x[7:] - found.x[7:].mean(), atol=5e-3)


def test_a_vector_fits_no_worse_than_a_temperature_and_may_move_answers():
    logits, labels = drawn_by_vector()
    losses = {}
    for method in ("temperature", "vector"):
        scaled = Scaling.fit(logits, labels, method).apply(logits)
        losses[method] = metrics.nll(labels, metrics.softmax(scaled))
    assert losses["vector"] < losses["temperature"]
    assert (scaled.argmax(axis=1) != logits.argmax(axis=1)).any()


@pytest.mark.parametrize("scale", [0.01, 30])
def test_vector_scaling_follows_the_logits_scale(scale):
    logits, labels = drawn_by_vector(2000)
    expected = Scaling.fit(logits, labels, "vector").apply(logits)
    fitted = Scaling.fit(scale * logits, labels, "vector")
    np.testing.assert_allclose(fitted.apply(scale * logits), expected, atol=1e-3)


def test_a_scaling_of_ones_and_zeros_is_the_temperature():
    logits, _ = drawn(count=50)
    plain = Scaling(2.0).apply(logits)
    np.testing.assert_array_equal(plain, logits / 2)
    vector = Scaling(2.0, (1.0,) * 7, (0.0,) * 7)
    np.testing.assert_array_equal(vector.apply(logits), plain)


@pytest.mark.parametrize("classes", [6, 7], ids=["lacks a class", "parts them all"])
def test_where_no_vector_fits_the_temperature_is_kept(classes, caplog):
    labels = np.arange(700) % classes
    logits = 3 * np.eye(7)[labels] + np.random.default_rng(0).random((700, 7))
    with caplog.at_level(logging.WARNING):
        weights, biases = fit_vector(logits, labels)
    assert [record.args for record in caplog.records] == [(700,)]
    np.testing.assert_array_equal(weights, np.ones(7))
    np.testing.assert_array_equal(biases, np.zeros(7))


def test_an_unknown_method_names_the_nearest():
    with pytest.raises(UserError, match="'vektor'") as raised:
        Scaling.fit(*drawn(count=50), "vektor")
    assert raised.value.suggestion == "vector"


def two_class(confidence):
    probs = np.zeros((len(confidence), 7))
    probs[:, 0] = confidence
    probs[:, 1] = 1 - probs[:, 0]
    return probs


def test_the_threshold_by_hand():
    probs = two_class([0.9, 0.8, 0.7, 0.6])
    labels = np.array([0, 1, 0, 0])
    # Accuracy of the first 1, 2, 3, 4 answers: 1, 1/2, 2/3, 3/4.
    found = abstain_threshold(labels, probs, 0.75, least=1)
    assert (found.threshold, found.accuracy, found.coverage) == (0.6, 0.75, 1)
    found = abstain_threshold(labels, probs, 0.76, least=1)
    assert (found.threshold, found.accuracy, found.coverage) == (0.9, 1, 0.25)


def test_the_threshold_never_parts_equal_confidences():
    probs = two_class([0.9, 0.9, 0.6])
    labels = np.array([0, 1, 1])
    found = abstain_threshold(labels, probs, 0.5, least=1)
    assert (found.threshold, found.accuracy) == (0.9, 0.5)
    assert not abstain_threshold(labels, probs, 0.6, least=1).reached


def test_a_threshold_out_of_reach_says_so():
    logits, labels = drawn(count=500)
    probs = apply_temperature(logits, 1)
    shuffled = np.roll(labels, 1)
    found = abstain_threshold(shuffled, probs, 0.9)
    assert not found.reached
    assert (found.threshold, found.coverage) == (1, 0)
    assert not abstain_threshold(labels[:19], probs[:19], 0.01).reached


def test_a_higher_wanted_accuracy_answers_less():
    logits, labels = drawn(count=2000)
    probs = apply_temperature(logits, 1)
    found = [abstain_threshold(labels, probs, wanted) for wanted in (0.8, 0.9, 0.95)]
    for wanted, threshold in zip((0.8, 0.9, 0.95), found, strict=True):
        sure = probs.max(axis=1) >= threshold.threshold
        right = probs.argmax(axis=1) == labels
        assert right[sure].mean() == pytest.approx(threshold.accuracy)
        assert sure.mean() == pytest.approx(threshold.coverage)
        assert threshold.accuracy >= wanted
    assert found[0].coverage > found[1].coverage > found[2].coverage


def test_halves_keep_groups_whole():
    groups = np.repeat([f"group {index}" for index in range(11)], 3)
    mask = halves(groups, seed=0)
    assert mask.sum() == 5 * 3
    for group in np.unique(groups):
        assert len(set(mask[groups == group])) == 1
    assert (halves(groups, seed=0) == mask).all()
    with pytest.raises(UserError, match=r"\b1\b"):
        halves(np.zeros(4), seed=0)


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_cross_calibration_never_sees_the_labels_it_is_scored_by(method):
    logits, labels = drawn(2, count=600)
    groups = np.arange(600)
    mask = halves(groups, seed=0)
    before = cross_calibrated(logits, labels, groups, 0, method)
    changed = np.where(mask, np.roll(labels, 1), labels)
    after = cross_calibrated(logits, changed, groups, 0, method)
    np.testing.assert_array_equal(after[mask], before[mask])
    assert (after[~mask] != before[~mask]).all()


def test_a_calibration_is_not_scored_where_it_was_fitted():
    logits, labels = drawn(2)
    calibration = Calibration.fit(logits, labels, 0.9, "validation")
    np.testing.assert_allclose(
        calibration.scale(logits, "test"), logits / calibration.temperature
    )
    with pytest.raises(ValueError, match="'validation'"):
        calibration.scale(logits, "validation")


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_a_calibration_survives_its_file(method, tmp_path):
    calibration = Calibration.fit(
        *drawn(2), 0.9, "validation", wanted_coverage=0.95, method=method
    )
    assert len(calibration.weights) == (7 if method == "vector" else 0)
    assert 0 < calibration.set_threshold < 0.5
    calibration.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json") == calibration


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": None}, {"temperature": -1.0}, {"temperature": True},
     {"temperature": 10**400}, {"weights": [1.0] * 6}, {"weights": [1.0] * 7},
     {"biases": 3}, {"threshold": 1.5}, {"threshold_reached": 1}, {"n": 2.0},
     {"method": "platt"}, {"set_threshold": "x"}, {"other": 1}, {"fitted_on": 0}],
)  # fmt: skip
def test_a_damaged_calibration_is_named(tmp_path, wrong):
    path = tmp_path / "calibration.json"
    Calibration.fit(*drawn(2), 0.9, "validation").save(path)
    files.write_json(path, files.read_json(path) | wrong)
    with pytest.raises(UserError, match="calibration"):
        Calibration.load(path)


@pytest.mark.parametrize("content", ["[]", "1", "{}", '{"temperature": 1}'])
def test_what_is_no_calibration_is_named(tmp_path, content):
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(UserError, match="other.json"):
        Calibration.load(tmp_path / "other.json")


def balanced_loss(logits, labels, temperature):
    probs = metrics.softmax(logits / temperature)
    return metrics.balanced_nll(labels, probs, metrics.source_prior(probs))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 12.0])
def test_the_balanced_temperature_is_the_minimum_of_a_fine_grid(temperature):
    logits, labels = drawn(temperature)
    # Rare classes: most rows of classes 0 to 3 are removed.
    keep = (labels > 3) | (np.arange(len(labels)) % 9 == 0)
    logits, labels = logits[keep], labels[keep]
    found = fit_balanced_temperature(logits, labels)
    losses = [
        balanced_loss(logits, labels, found * factor)
        for factor in np.geomspace(0.5, 2, 81)
    ]
    assert balanced_loss(logits, labels, found) <= min(losses) + 1e-9
    assert found == pytest.approx(temperature, rel=0.2)


def test_a_balanced_temperature_that_does_not_exist_is_one(caplog):
    logits = 5.0 * np.eye(7)
    with caplog.at_level(logging.WARNING):
        assert fit_balanced_temperature(logits, np.arange(7)) == 1.0
    assert len(caplog.records) == 1
