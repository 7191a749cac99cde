import logging

import numpy as np
import pytest
from scipy import stats

from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.errors import UserError
from fer_tf.evaluation import comparison
from fer_tf.experiment import RunFolder


def certain(predictions):
    return np.eye(7)[predictions]


def test_a_model_is_no_better_than_itself(answer):
    test = answer("m").split("test")
    shuffled = test.take(np.random.default_rng(0).permutation(len(test)))
    table = comparison.compare({"one": test, "same": shuffled})
    assert table["baseline"] == "one"
    for values in table["differences"]["same"].values():
        assert values == pytest.approx([0, 0, 0])
    assert table["mcnemar"]["same"] == {"gained": 0, "lost": 0, "p": 1}


def test_a_better_model_is_found_better(answer):
    table = comparison.compare(
        {
            "weak": answer("weak", skill=1.2).split("test"),
            "strong": answer("strong", skill=2.5).split("test"),
        }
    )
    minus = table["differences"]["strong"]
    for name in ("accuracy", "macro_f1", "nll"):
        runs = table["runs"]
        value, low, high = minus[name]
        assert value == pytest.approx(runs["strong"][name] - runs["weak"][name])
        assert low < value < high
        assert low * high > 0
    assert table["mcnemar"]["strong"]["p"] < 1e-6


def test_mcnemar_by_hand_and_by_the_binomial_sum():
    labels = np.zeros(10, int)
    probs = certain([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    baseline = certain([0, 0, 1, 1, 1, 1, 1, 0, 1, 1])
    found = comparison.mcnemar(labels, probs, baseline)
    assert (found["gained"], found["lost"]) == (5, 1)
    assert found["p"] == pytest.approx(2 * (1 + 6) / 2**6)
    assert found["p"] == pytest.approx(2 * stats.binom.cdf(1, 6, 0.5))
    swapped = comparison.mcnemar(labels, baseline, probs)
    assert (swapped["gained"], swapped["p"]) == (1, found["p"])


def test_answers_are_calibrated_where_a_calibration_lies(tmp_path, answer, caplog):
    run = RunFolder(tmp_path)
    stored = answer("m", scale=3)
    stored.save(run.predictions)
    with caplog.at_level(logging.WARNING):
        raw = comparison.load_answers(tmp_path, "test")
    assert "raw probabilities" in caplog.text
    validation = stored.split("validation")
    Calibration.fit(validation.logits, validation.labels, 0.9, "validation").save(
        run.calibration
    )
    for path in (tmp_path, run.predictions):
        answers = comparison.load_answers(path, "test")
        assert metrics.nll(answers.labels, metrics.softmax(answers.logits)) < (
            metrics.nll(raw.labels, metrics.softmax(raw.logits))
        )
    with pytest.raises(UserError, match="fitted on 'validation'"):
        comparison.load_answers(tmp_path, "validation")


def test_two_runs_of_one_name_are_told_apart(tmp_path, answer):
    paths = [tmp_path / run / "student-kd" for run in ("old", "new")]
    for path in paths:
        answer("m").save(RunFolder(path).predictions)
    assert list(comparison.load_all(paths, "test")) == [str(path) for path in paths]
    with pytest.raises(UserError, match="two or more different runs"):
        comparison.load_all(paths[:1] * 2, "test")
