import dataclasses
import json

import numpy as np
import pytest

from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.calibration import cross_calibrated
from fer_tf.evaluation import scoring
from fer_tf.predictions import Predictions

ASKED = {"accuracy", "macro_f1", "nll", "ece", "brier", "per_class_f1", "n"}


def calibration_of(predictions, split="validation"):
    answers = predictions.split(split)
    return Calibration.fit(
        answers.logits,
        answers.labels,
        0.9,
        split,
        groups=answers.groups,
        wanted_coverage=0.8,
    )


@pytest.fixture
def predictions(answer):
    return answer("model", scale=3)


def test_the_content_is_what_others_build_on(predictions):
    content = scoring.score(predictions, calibration_of(predictions), seed=0)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    for split in ("val", "test"):
        for kind in ("raw", "calibrated"):
            assert ASKED <= content[split][kind].keys()
    assert set(content["test"]["by_source"]) == {"a", "b"}
    assert content["fitted_on"]["temperature"] == "validation"


def test_test_is_scored_with_the_temperature_that_ships(predictions):
    calibration = calibration_of(predictions)
    content = scoring.score(predictions, calibration, seed=0)["test"]
    test = predictions.split("test")
    probs = metrics.softmax(test.logits / calibration.temperature)
    assert content["calibrated"]["nll"] == metrics.nll(test.labels, probs)
    assert content["raw"]["nll"] == metrics.nll(
        test.labels, metrics.softmax(test.logits)
    )
    assert content["calibrated"]["accuracy"] == content["raw"]["accuracy"]
    assert content["calibrated"]["nll"] < content["raw"]["nll"]


def test_vector_scaling_is_what_both_splits_are_scored_with(predictions):
    validation, test = predictions.split("validation"), predictions.split("test")
    columns = (validation.logits, validation.labels)
    calibration = Calibration.fit(*columns, 0.9, "validation", method="vector")
    content = scoring.score(predictions, calibration, seed=0)
    assert content["method"] == "vector"
    by_half = cross_calibrated(*columns, validation.groups, 0, "vector")
    scaled = calibration.scale(test.logits, "test")
    for name, labels, logits in (
        ("val", validation.labels, by_half),
        ("test", test.labels, scaled),
    ):
        nll = metrics.nll(labels, metrics.softmax(logits))
        assert content[name]["calibrated"]["nll"] == pytest.approx(nll)


def test_validation_is_never_scored_with_its_own_temperature(predictions):
    calibration = calibration_of(predictions)
    content = scoring.score(predictions, calibration, seed=0)["val"]
    validation = predictions.split("validation")
    flattered = metrics.nll(
        validation.labels, metrics.softmax(validation.logits / calibration.temperature)
    )
    assert flattered < content["calibrated"]["nll"] < content["raw"]["nll"]


def test_a_calibration_fitted_on_test_is_refused(predictions):
    with pytest.raises(ValueError, match="fitted on 'test'"):
        scoring.score(predictions, calibration_of(predictions, "test"), seed=0)


def test_sources_part_the_test_split(predictions):
    test = predictions.split("test")
    table = scoring.by_source(test, seed=0)
    assert sum(row["n"] for row in table.values()) == len(test)
    right = sum(row["n"] * row["accuracy"] for row in table.values())
    whole = metrics.accuracy(test.labels, test.logits.argmax(axis=1))
    assert right / len(test) == pytest.approx(whole)


def test_votes_are_scored_where_voters_disagree(predictions):
    test = predictions.split("test")
    plain = scoring.figures(test, seed=0)
    assert "votes" not in plain and "agreed" not in plain
    voted = np.array(test.distribution)
    voted[:10] = 1 / 7
    agreed = np.arange(len(test)) >= 10
    content = scoring.figures(
        dataclasses.replace(test, distribution=voted, agreed=agreed), seed=0
    )
    probs = metrics.softmax(test.logits)
    assert content["votes"] == metrics.votes_summary(voted, probs)
    assert content["agreed"]["n"] == len(test) - 10
    expected = metrics.accuracy(test.labels[10:], probs[10:].argmax(axis=1))
    assert content["agreed"]["accuracy"] == expected
    assert content["accuracy"] == plain["accuracy"]


def test_each_source_is_scored_raw_beside_calibrated(predictions):
    content = scoring.score(predictions, calibration_of(predictions), seed=0)["test"]
    raw, calibrated = content["by_source_raw"], content["by_source"]
    assert raw.keys() == calibrated.keys()
    for source in raw:
        assert raw[source]["accuracy"] == calibrated[source]["accuracy"]
        assert raw[source]["nll"] > calibrated[source]["nll"]


def test_the_answered_part_by_hand(predictions):
    test = predictions.split("test").take(np.arange(4))
    logits = np.zeros((4, 7))
    logits[[0, 1, 2], [*test.labels[:2], (test.labels[2] + 1) % 7]] = 5
    few = Predictions(
        "m", 0, {**predictions.splits, "test": test.with_logits(logits)}
    )
    calibration = Calibration(1.0, 0.5, 0.9, True, 1.0, "validation", 420)
    answered = scoring.score(few, calibration, seed=0)["test"]["answered"]
    assert answered["coverage"] == 0.75
    assert answered["accuracy"] == pytest.approx(2 / 3)


def test_the_sets_by_hand(predictions):
    test = predictions.split("test").take(np.arange(4))
    probs = np.full((4, 7), 1e-9)
    # The answers: right alone, right of two, wrong of two, unsure of all.
    probs[0, test.labels[0]] = 0.9
    probs[1, [test.labels[1], 6]] = 0.4, 0.5
    probs[2, [5, 6]] = 0.4, 0.5
    probs[3] = 1 / 7
    few = dataclasses.replace(
        test.with_logits(np.log(probs)), groups=["a", "a", "a", "b"]
    )
    few = Predictions("m", 0, {**predictions.splits, "test": few})
    calibration = Calibration(1.0, 0.5, 0.9, True, 1.0, "validation", 420, 0.3, 0.6)
    content = scoring.score(few, calibration, seed=0)
    sets = content["test"]["sets"]
    assert (sets["threshold"], sets["wanted_coverage"]) == (0.3, 0.6)
    assert sets["coverage"] == 0.5
    assert sets["group_coverage"] == pytest.approx((2 / 3 + 0) / 2)
    assert sets["mean_size"] == 5 / 4
    assert (sets["singletons"], sets["empty"]) == (0.25, 0.25)
    assert sets["intervals"]["coverage"] == [0, pytest.approx(2 / 3)]
    assert content["fitted_on"]["sets"] == "validation"


def test_without_sets_there_are_no_figures_of_them(predictions):
    calibration = dataclasses.replace(calibration_of(predictions), set_threshold=None)
    assert scoring.score(predictions, calibration, seed=0)["test"]["sets"] is None


def test_balanced_metrics_use_the_class_prior_of_validation(predictions):
    calibration = calibration_of(predictions)
    content = scoring.score(predictions, calibration, seed=0)
    validation, test = predictions.split("validation"), predictions.split("test")
    prior = metrics.softmax(validation.logits / calibration.temperature).mean(axis=0)
    np.testing.assert_allclose(content["source_prior"]["calibrated"], prior)
    probs = metrics.softmax(test.logits / calibration.temperature)
    found = content["test"]["calibrated"]
    expected = metrics.balanced_nll(test.labels, probs, prior)
    assert found["balanced_nll"] == pytest.approx(expected)
    low, high = found["intervals"]["balanced_nll"]
    assert low < expected < high
    uniform = metrics.uniform_prior_summary(test.labels, probs, prior)
    assert found["uniform_prior"] == uniform
    assert len(found["per_class_recall"]) == 7
    assert "uniform_prior" in content["test"]["by_source"]["a"]


def test_domains_are_scored_with_what_validation_fitted(predictions):
    validation = predictions.split("validation")
    calibration = calibration_of(predictions)
    assert "domain_validation" not in scoring.score(predictions, calibration, seed=0)
    rows = np.arange(100)
    shifted = dataclasses.replace(
        validation.take(rows), sources=np.array(["posed"] * 60 + ["lab"] * 40)
    )
    splits = {**predictions.splits, "domain_validation": shifted}
    more = dataclasses.replace(predictions, splits=splits)
    content = scoring.score(more, calibration, seed=0)
    without = scoring.score(predictions, calibration, seed=0)
    assert content["val"] == without["val"]
    assert content["test"] == without["test"]
    posed = content["domain_validation"]["posed"]
    assert posed["raw"]["n"] == 60
    probs = metrics.softmax(shifted.logits[:60] / calibration.temperature)
    expected = metrics.nll(shifted.labels[:60], probs)
    assert posed["calibrated"]["nll"] == pytest.approx(expected)
