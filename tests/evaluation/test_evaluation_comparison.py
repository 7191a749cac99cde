import logging

import numpy as np
import pytest
from scipy import stats

from fer_tf import files
from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.config import CalibrateConfig
from fer_tf.errors import UserError
from fer_tf.evaluation import comparison
from fer_tf.evaluation import stages
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
    found = comparison.mcnemar(labels, probs, baseline, np.arange(10))
    assert (found["gained"], found["lost"]) == (5, 1)
    assert found["p"] == pytest.approx(2 * (1 + 6) / 2**6)
    assert found["p"] == pytest.approx(2 * stats.binom.cdf(1, 6, 0.5))
    swapped = comparison.mcnemar(labels, baseline, probs, np.arange(10))
    assert (swapped["gained"], swapped["p"]) == (1, found["p"])


def test_mcnemar_counts_a_picture_under_two_names_once():
    labels = np.zeros(10, int)
    probs = certain([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    baseline = certain([0, 0, 1, 1, 1, 1, 1, 0, 1, 1])
    once = comparison.mcnemar(labels, probs, baseline, np.arange(10))
    twice = comparison.mcnemar(
        *(np.repeat(each, 2, axis=0) for each in (labels, probs, baseline)),
        np.repeat(np.arange(10), 2),
    )
    assert twice == once
    # A group of which either gets one right is neither's.
    tie = comparison.mcnemar(labels[:2], certain([0, 1]), certain([1, 0]), np.zeros(2))
    assert tie == {"gained": 0, "lost": 0, "p": 1}


def test_answers_are_calibrated_where_a_calibration_lies(tmp_path, answer, caplog):
    run = RunFolder(tmp_path)
    stored = answer("m", scale=3)
    stored.save(run.predictions)
    with caplog.at_level(logging.WARNING):
        raw = comparison.load_answers(tmp_path, "test")
    assert str(tmp_path) in caplog.text and run.calibration.name in caplog.text
    validation = stored.split("validation")
    Calibration.fit(validation.logits, validation.labels, 0.9, "validation").save(
        run.calibration
    )
    for path in (tmp_path, run.predictions):
        answers = comparison.load_answers(path, "test")
        assert metrics.nll(answers.labels, metrics.softmax(answers.logits)) < (
            metrics.nll(raw.labels, metrics.softmax(raw.logits))
        )
    with pytest.raises(UserError, match="calibration.json.*'validation'"):
        comparison.load_answers(tmp_path, "validation")


def test_a_calibration_of_other_answers_is_not_taken(tmp_path, answer):
    """Trained anew, a model is not what its old temperature was fitted to."""
    run = RunFolder(tmp_path / "student-kd")
    answer("m", scale=3).save(run.predictions)
    step = stages.calibration_step(run, CalibrateConfig())
    assert not step.is_done()
    stages.calibrate(run, CalibrateConfig())
    step.finish([run.calibration])
    assert comparison.load_answers(run.path, "test")
    answer("m", scale=1).save(run.predictions)
    with pytest.raises(UserError) as raised:
        comparison.load_answers(run.path, "test")
    assert str(run.predictions) in str(raised.value)
    assert str(run.calibrated) in str(raised.value)


def save_seeds(folder, answer, seeds=(0, 1, 2), **asked):
    """Save a student for each seed of a recipe and return their folders."""
    paths = []
    for seed in seeds:
        run = RunFolder(folder / f"seed{seed}" / "student-kd")
        answer(f"{folder.name}{seed}", **asked).save(run.predictions)
        settings = {"seed": seed, "stage": {"train": asked}}
        files.write_json(run.path / "train.json", {"settings": settings})
        paths.append(run.path)
    return paths


def test_two_runs_of_one_name_are_told_apart(tmp_path, answer):
    paths = [tmp_path / run / "student-kd" for run in ("old", "new")]
    for path in paths:
        answer("m").save(RunFolder(path).predictions)
    old, new = comparison.load_all([[path] for path in paths], "test")
    assert (old, new) == tuple(str(path) for path in paths)
    for runs in ([paths[:1], paths[:1]], [paths]):
        with pytest.raises(UserError, match="student-kd"):
            comparison.load_all(runs, "test")


def test_seeds_of_a_recipe_are_read_as_one_run(tmp_path, answer):
    seeds = save_seeds(tmp_path / "a", answer)
    single = RunFolder(tmp_path / "b" / "student-ce")
    answer("single").save(single.predictions)
    runs = comparison.load_all([seeds, [single.path]], "test")
    assert list(runs) == ["student-kd", "student-ce"]
    test = answer("a1").split("test")
    assert runs["student-kd"].logits.shape == (len(test), 3, 7)
    np.testing.assert_array_equal(runs["student-kd"].logits[:, 1], test.logits)


def test_seeds_of_different_recipes_are_no_group(tmp_path, answer):
    one = save_seeds(tmp_path / "a", answer, skill=2.0)
    other = save_seeds(tmp_path / "b", answer, seeds=[7], skill=3.0)
    with pytest.raises(UserError, match=r"stage\.train\.skill"):
        comparison.load_seeds([*one, *other], "test")
    same_seed = save_seeds(tmp_path / "c", answer, seeds=[1], skill=2.0)
    with pytest.raises(UserError, match=r"\[0, 1, 2, 1\]"):
        comparison.load_seeds([*one, *same_seed], "test")


def test_seeds_that_tell_no_recipe_are_taken_with_a_warning(tmp_path, answer, caplog):
    seeds = save_seeds(tmp_path / "a", answer)
    (seeds[0] / "train.json").unlink()
    with caplog.at_level(logging.WARNING):
        comparison.load_seeds(seeds, "test")
    assert seeds[0].name in caplog.text


def test_mean_and_spread_over_seeds_by_hand():
    labels = np.arange(7)
    right, half = np.arange(7), np.array([0, 1, 2, 3, 4, 5, 5])
    probs = np.stack([certain(right), certain(half)], axis=1)
    found = comparison.over_seeds(labels, probs)
    assert found["accuracy"] == pytest.approx((1 + 6 / 7) / 2)
    assert found["spread"]["accuracy"] == pytest.approx(1 / 7 / np.sqrt(2))
    assert found["n"] == 7
    assert found["by_seed"][1] == metrics.summary(labels, certain(half))


def seeds_of(answer, *names, **asked):
    splits = [answer(name, **asked).split("test") for name in names]
    return splits[0].with_logits(np.stack([each.logits for each in splits], axis=1))


def test_a_single_run_is_compared_as_the_gate_compares_it(answer):
    one, other = (answer(name).split("test") for name in ("one", "other"))
    found = comparison.compare({"one": one, "other": other}, seed=3)
    assert found["differences"]["other"] == metrics.with_intervals(
        metrics.differences,
        one.labels,
        metrics.softmax(other.logits),
        metrics.softmax(one.logits),
        groups=one.groups,
        seed=3,
    )


def test_recipes_are_compared_by_their_means_over_seeds(answer):
    one = seeds_of(answer, "a", "b", "c", skill=1.5)
    other = seeds_of(answer, "d", "e", skill=2.0)
    found = comparison.compare({"one": one, "other": other})
    assert found["mcnemar"] == {}
    runs = found["runs"]
    for name, (value, low, high) in found["differences"]["other"].items():
        assert value == pytest.approx(runs["other"][name] - runs["one"][name])
        assert low < high
    assert found["differences"]["other"]["accuracy"][1] > 0
    assert found == comparison.compare({"one": one, "other": other})


def test_the_interval_holds_what_seeds_do(answer):
    """Seeds that differ a lot widen it; the same answers twice leave it as it was."""
    test = answer("a").split("test")
    labels, groups = test.labels, test.groups
    seeds = [answer(name, skill=skill).split("test").logits
             for name, skill in (("b", 1.0), ("c", 3.0))]
    baseline = metrics.softmax(test.logits)[:, None]

    def width(*logits):
        probs = metrics.softmax(np.stack(logits, axis=1))
        _, low, high = comparison.minus(labels, probs, baseline, groups)["accuracy"]
        return high - low

    assert width(*seeds) > 3 * width(seeds[0])
    assert width(seeds[0], seeds[0]) == pytest.approx(width(seeds[0]))
