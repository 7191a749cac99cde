import dataclasses
import itertools
import logging
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize

from fer_tf import config as recipes
from fer_tf import files
from fer_tf import fusion
from fer_tf import metrics
from fer_tf import predictions
from fer_tf.calibration import fit_balanced_temperature
from fer_tf.calibration import fit_temperature
from fer_tf.calibration import halves
from fer_tf.config import AugmentConfig
from fer_tf.config import Config
from fer_tf.config import FaceConfig
from fer_tf.config import ModelConfig
from fer_tf.config import SoftLabelsConfig
from fer_tf.config import StageConfig
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.fusion import SoftLabels
from fer_tf.fusion import memorised
from fer_tf.fusion import stored
from fer_tf.fusion.cross_fit import cross_fit
from fer_tf.fusion.cross_fit import shortfalls
from fer_tf.fusion.pool import balanced_nll_weights
from fer_tf.fusion.pool import fit_pool
from fer_tf.fusion.pool import macro_f1_weights
from fer_tf.fusion.pool import nll_weights
from fer_tf.fusion.pool import per_class_weights
from fer_tf.fusion.pool import simplex_grid
from fer_tf.predictions import Predictions

TWO_VIEWS = SoftLabelsConfig(views=2)
WHAT = ("weights", "predictions")


@pytest.fixture
def teachers(answer):
    return {
        "weak": answer("weak", skill=1.2, scale=30, views=2),
        "strong": answer("strong", skill=2.2, scale=0.5, views=2),
        "blind": answer("blind", skill=0.1, views=2),
    }


@pytest.fixture
def calibrated(teachers):
    """Log-probabilities [3, 420, 7] and labels [420] of validation."""
    splits = [teacher.split("validation") for teacher in teachers.values()]
    labels = splits[0].labels
    return (
        np.stack(
            [
                metrics.log_softmax(s.logits / fit_temperature(s.logits, labels))
                for s in splits
            ]
        ),
        labels,
    )


def pooled_nll(weights, log_probs, labels):
    pooled = np.tensordot(weights, log_probs, axes=1)
    return metrics.nll(labels, metrics.softmax(pooled))


def with_split(teacher, name, split):
    return dataclasses.replace(teacher, splits={**teacher.splits, name: split})


def test_the_grid_is_every_weight_once():
    grid = np.array(list(simplex_grid(3, 4)))
    every = itertools.product(np.arange(5) / 4, repeat=3)
    expected = [weights for weights in every if sum(weights) == 1]
    assert len(grid) == 15
    assert {tuple(row) for row in grid} == set(expected)
    np.testing.assert_array_equal(list(simplex_grid(1, 4)), [[1]])


def test_nll_weights_are_as_good_as_a_fine_grid(calibrated):
    weights = nll_weights(*calibrated)
    best = min(simplex_grid(3, 60), key=lambda grid: pooled_nll(grid, *calibrated))
    np.testing.assert_allclose(weights, best, atol=1 / 60)
    assert pooled_nll(weights, *calibrated) <= pooled_nll(best, *calibrated) + 1e-9
    assert weights.sum() == pytest.approx(1) and weights.min() >= 0


def test_a_teacher_that_is_a_copy_of_the_truth_gets_all_weight():
    labels = np.arange(70) % 7
    noise = np.random.default_rng(0).normal(size=(70, 7))
    log_probs = metrics.log_softmax(np.stack([noise, 9 * np.eye(7)[labels]]))
    np.testing.assert_allclose(nll_weights(log_probs, labels), [0, 1], atol=1e-6)


def test_macro_f1_weights_are_the_best_of_the_grid(calibrated):
    log_probs, labels = calibrated

    def score(weights):
        pooled = np.tensordot(weights, log_probs, axes=1)
        return metrics.macro_f1(labels, pooled.argmax(axis=1))

    best = max(score(weights) for weights in simplex_grid(3, 20))
    assert score(macro_f1_weights(log_probs, labels)) == best
    # Of equals, the one with the lowest NLL: here every weight is right.
    sure = np.stack([metrics.log_softmax(k * np.eye(7)[labels]) for k in (1, 9)])
    np.testing.assert_array_equal(macro_f1_weights(sure, labels), [0, 1])


@pytest.fixture
def specialists(answer):
    """Two teachers, each of which knows what the other does not."""
    knows = np.array([1, 1, 1, 1, 0, 0, 0])
    made = {}
    for name, classes in {"first": knows, "last": 1 - knows}.items():
        teacher = answer(name, skill=0, views=2)
        made[name] = dataclasses.replace(
            teacher,
            splits={
                split: answers.with_logits(answers.logits + 3 * bonus(answers, classes))
                for split, answers in teacher.splits.items()
            },
        )
    return made


def bonus(answers, classes):
    right = np.eye(7)[answers.labels] * classes
    return right if answers.logits.ndim == 2 else right[:, None]


def validation_of(teachers):
    splits = {name: teacher.split("validation") for name, teacher in teachers.items()}
    labels = next(iter(splits.values())).labels
    return {name: split.logits for name, split in splits.items()}, labels


def stacked(logits, labels):
    return np.stack(
        [metrics.log_softmax(z / fit_temperature(z, labels)) for z in logits.values()]
    )


def test_weights_for_each_class_are_as_good_as_another_searchs(specialists):
    logits, labels = validation_of(specialists)
    log_probs = stacked(logits, labels)
    temperature = 0.8

    def nll(weights):
        pooled = (weights[:, None] * log_probs).sum(axis=0) / temperature
        return metrics.nll(labels, metrics.softmax(pooled))

    found = per_class_weights(log_probs, labels, np.array([0.5, 0.5]), temperature)
    assert found.shape == (2, 7)
    np.testing.assert_allclose(found.sum(axis=0), 1, rtol=1e-12)
    assert found.min() >= 0

    # Another way to walk on the simplex, and no gradient given.
    def on_simplex(free):
        return np.stack([1 / (1 + np.exp(-free)), 1 / (1 + np.exp(free))])

    other = optimize.minimize(lambda free: nll(on_simplex(free)), np.zeros(7))
    assert other.fun - 1e-3 < nll(found) <= other.fun + 1e-9
    np.testing.assert_allclose(found, on_simplex(other.x), atol=0.02)
    shared = min(nll(np.outer(w, np.ones(7))) for w in simplex_grid(2, 50))
    assert nll(found) < shared - 0.01


def test_weights_for_each_class_are_never_worse_where_they_were_fitted(teachers):
    logits, labels = validation_of(teachers)
    for seed in range(6):
        rows = np.random.default_rng(seed).choice(len(labels), 60, replace=False)
        few = {name: z[rows] for name, z in logits.items()}
        shared, own = (
            metrics.nll(
                labels[rows],
                np.exp(fit_pool(few, labels[rows], per_class=each).log_probs(few)),
            )
            for each in (False, True)
        )
        assert own < shared


def test_one_teacher_has_every_class(answer):
    logits, labels = validation_of({"alone": answer("alone")})
    pool = fit_pool(logits, labels, per_class=True)
    np.testing.assert_allclose(pool.weights["alone"], np.ones(7))


def test_cross_fitting_shows_whether_each_class_deserves_its_weights(
    specialists, answer
):
    own = dataclasses.replace(TWO_VIEWS, per_class=True)

    def held_out(teachers, config):
        return fusion.fuse(teachers, config, 0).report["cross_fit"]["fused"]["nll"]

    assert held_out(specialists, own) < held_out(specialists, TWO_VIEWS) - 0.01
    # Alike but for chance, in few rows: what is fitted to them is fitted to chance.
    alike = {name: few(answer(name, skill=1, views=2)) for name in "abcdef"}
    assert held_out(alike, own) > held_out(alike, TWO_VIEWS) + 0.01


def few(teacher):
    return with_split(
        teacher, "validation", teacher.split("validation").take(np.arange(80))
    )


def test_weights_for_each_class_are_written(tmp_path, specialists):
    own = dataclasses.replace(TWO_VIEWS, per_class=True)
    fused = fusion.fuse(specialists, own, 0)
    files.write_json(tmp_path / "r.json", fused.report)
    weights = files.read_json(tmp_path / "r.json")["weights"]
    assert [len(each) for each in weights.values()] == [7, 7]
    pool = fusion.pool.Pool(
        fused.report["temperatures"], weights, fused.report["temperature"]
    )
    train = {name: t.split("train").logits for name, t in specialists.items()}
    np.testing.assert_allclose(
        pool.log_probs(train), fused.soft_labels.log_probs, atol=1e-5
    )


def test_macro_f1_has_no_weights_for_each_class():
    with pytest.raises(UserError, match="per_class.*macro_f1.*nll"):
        SoftLabelsConfig(search="macro_f1", per_class=True)


def test_the_pool_by_hand_with_weights_for_each_class():
    of_a = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 1]
    weights = {"a": of_a, "b": [1 - each for each in of_a]}
    pool = fusion.pool.Pool({"a": 2.0, "b": 1.0}, weights, 0.5)
    a, b = np.random.default_rng(0).normal(size=(2, 3, 7))
    p_a, p_b = metrics.softmax(a / 2), metrics.softmax(b)
    product = np.empty((3, 7))
    for c in range(7):
        product[:, c] = p_a[:, c] ** weights["a"][c] * p_b[:, c] ** weights["b"][c]
    product **= 2
    np.testing.assert_allclose(
        np.exp(pool.log_probs({"a": a, "b": b})),
        product / product.sum(axis=1, keepdims=True),
    )


def test_the_pool_by_hand():
    pool = fusion.pool.Pool({"a": 2.0, "b": 1.0}, {"a": 0.25, "b": 0.75}, 0.5)
    a, b = np.random.default_rng(0).normal(size=(2, 7))
    p_a, p_b = np.exp(a / 2), np.exp(b)
    p_a, p_b = p_a / p_a.sum(), p_b / p_b.sum()
    product = (p_a**0.25 * p_b**0.75) ** 2
    np.testing.assert_allclose(
        np.exp(pool.log_probs({"a": a, "b": b})), product / product.sum()
    )


@pytest.mark.parametrize("search", ["nll", "macro_f1"])
def test_one_teacher_is_only_calibrated(answer, search):
    split = answer("alone", scale=20).split("validation")
    pool = fit_pool({"alone": split.logits}, split.labels, search)
    assert pool.weights == {"alone": 1}
    assert pool.temperature == pytest.approx(1, abs=1e-6)
    temperature = fit_temperature(split.logits, split.labels)
    np.testing.assert_allclose(
        np.exp(pool.log_probs({"alone": split.logits})),
        metrics.softmax(split.logits / temperature),
        rtol=1e-4,
    )


def test_soft_labels_do_not_depend_on_a_teachers_scale(teachers):
    weak = teachers["weak"]
    splits = {
        name: split.with_logits(split.logits * 30)
        for name, split in weak.splits.items()
    }
    louder = {**teachers, "weak": dataclasses.replace(weak, splits=splits)}
    before, after = (fusion.fuse(each, TWO_VIEWS, 0) for each in (teachers, louder))
    np.testing.assert_allclose(
        before.soft_labels.log_probs, after.soft_labels.log_probs, atol=2e-3
    )


def test_soft_labels_are_calibrated_normalised_and_per_view(teachers):
    fused = fusion.fuse(teachers, TWO_VIEWS, 0)
    probs = np.exp(fused.soft_labels.log_probs)
    assert fused.soft_labels.log_probs.dtype == np.float32
    assert probs.shape == (210, 2, 7)
    np.testing.assert_allclose(probs.sum(axis=2), 1, rtol=1e-5)
    assert (probs[:, 0] != probs[:, 1]).any(axis=1).all()
    # Fault 10 of the original: scale 30 made its soft labels nearly one-hot.
    assert probs.max(axis=2).mean() < 0.9
    validation = fused.predictions.split("validation")
    temperature = fit_temperature(validation.logits, validation.labels)
    assert fused.report["temperature"] == pytest.approx(temperature)


def test_the_test_split_chooses_nothing(teachers):
    test = teachers["strong"].split("test")
    other = {
        name: with_split(
            teacher,
            "test",
            dataclasses.replace(
                teacher.split("test"),
                labels=np.roll(test.labels, 3),
                logits=np.roll(teacher.split("test").logits, 5, axis=1),
            ),
        )
        for name, teacher in teachers.items()
    }
    before, after = (fusion.fuse(each, TWO_VIEWS, 0) for each in (teachers, other))
    assert before.report == after.report
    np.testing.assert_array_equal(
        before.soft_labels.log_probs, after.soft_labels.log_probs
    )


def test_rows_in_another_order_are_the_same_rows(teachers):
    train = teachers["weak"].split("train")
    shuffled = train.take(np.random.default_rng(0).permutation(len(train)))
    other = {"strong": teachers["strong"], "weak": teachers["weak"]}
    before = fusion.fuse(other, TWO_VIEWS, 0).soft_labels
    other["weak"] = with_split(teachers["weak"], "train", shuffled)
    after = fusion.fuse(other, TWO_VIEWS, 0).soft_labels
    np.testing.assert_array_equal(before.keys, after.keys)
    np.testing.assert_array_equal(before.log_probs, after.log_probs)


def test_cross_fitting_shows_what_the_pool_is_worth(teachers, caplog):
    with caplog.at_level(logging.WARNING):
        table = fusion.fuse(teachers, TWO_VIEWS, 0).report["cross_fit"]
    assert not caplog.records
    assert table["n"] == 420
    for row in table["teachers"].values():
        value, low, high = row["fused_minus"]["nll"]
        assert value == pytest.approx(table["fused"]["nll"] - row["nll"])
        assert low < value < high < 0


def test_a_pool_that_beats_nothing_is_warned_of(answer, teachers, caplog):
    one = answer("strong", skill=2.2, views=2)
    with caplog.at_level(logging.WARNING):
        both = {"one": one, "blind": teachers["blind"]}
        table = fusion.fuse(both, TWO_VIEWS, 0).report["cross_fit"]
    assert named_in(caplog.text, table["teachers"]) == {"one"}


def named_in(text, rows):
    """Return the rows whose difference from the ensemble a text gives."""
    return {
        name
        for name, row in rows.items()
        if f"{name} " in text and f"{row['fused_minus']['nll'][0]:+.4f}" in text
    }


def test_surer_training_views_are_warned_of(answer, caplog):
    teacher = answer("m", views=2)
    train = teacher.split("train")
    learnt = with_split(teacher, "train", train.with_logits(5 * train.logits))
    with caplog.at_level(logging.WARNING):
        report = fusion.fuse({"m": learnt}, TWO_VIEWS, 0).report
    table = report["confidence"]
    excess = table["train"]["confidence"] - table["validation"]["confidence"]
    assert report["warnings"] == [
        f"the pool is {excess:.2f} more confident on training views."
    ]
    assert report["warnings"][0] in caplog.text
    assert fusion.fuse({"m": teacher}, TWO_VIEWS, 0).report["warnings"] == []


SOFTEN = dataclasses.replace(TWO_VIEWS, memorised="soften")


def learnt_by_heart(teachers):
    return {
        name: with_split(
            each,
            "train",
            each.split("train").with_logits(4 * each.split("train").logits),
        )
        for name, each in teachers.items()
    }


def test_softening_makes_training_views_as_sure_as_validation(teachers, caplog):
    learnt = learnt_by_heart(teachers)
    warned, softened = (fusion.fuse(learnt, each, 0) for each in (TWO_VIEWS, SOFTEN))
    factor = softened.report["softened_by"]
    assert factor > 1.5
    # The same answers but for one temperature.
    np.testing.assert_allclose(
        softened.soft_labels.log_probs,
        metrics.log_softmax(warned.soft_labels.log_probs / factor),
        atol=1e-5,
    )
    sure = np.exp(softened.soft_labels.log_probs).max(axis=2).mean()
    table = softened.report["confidence"]
    assert sure == pytest.approx(table["validation"]["confidence"], abs=1e-5)
    assert table == warned.report["confidence"]
    assert f"{factor:.2f}" in softened.report["warnings"][0]
    assert softened.report["warnings"][0] in caplog.text


def test_the_pool_that_is_read_back_makes_the_soft_labels(tmp_path, teachers):
    learnt = learnt_by_heart(teachers)
    fused = fusion.fuse(learnt, SOFTEN, 0)
    assert fused.report["softened_by"] > 1
    files.write_json(tmp_path / "r.json", fused.report)
    pool = fusion.pool.Pool.load(tmp_path / "r.json")
    train = {name: teacher.split("train").logits for name, teacher in learnt.items()}
    np.testing.assert_allclose(
        pool.log_probs(train), fused.soft_labels.log_probs, atol=1e-5
    )


def test_softening_touches_neither_calibration_nor_other_splits(teachers):
    learnt = learnt_by_heart(teachers)
    warned, softened = (fusion.fuse(learnt, each, 0) for each in (TWO_VIEWS, SOFTEN))
    for name in ("temperatures", "weights", "temperature", "cross_fit"):
        assert softened.report[name] == warned.report[name]
    for name, split in warned.predictions.splits.items():
        other = softened.predictions.split(name)
        np.testing.assert_array_equal(split.logits, other.logits)


def test_honest_teachers_are_not_softened(teachers):
    warned, softened = (fusion.fuse(teachers, each, 0) for each in (TWO_VIEWS, SOFTEN))
    assert softened.report["softened_by"] == 1
    np.testing.assert_array_equal(
        softened.soft_labels.log_probs, warned.soft_labels.log_probs
    )


def test_the_softening_temperature_is_that_of_a_fine_grid():
    logits = np.random.default_rng(0).normal(scale=6, size=(50, 2, 7))
    table = {"train": {"confidence": 0.9}, "validation": {"confidence": 0.6}}
    grid = np.linspace(1, 20, 2000)
    sure = [metrics.softmax(logits / s).max(axis=-1).mean() for s in grid]
    best = grid[np.argmin(np.abs(np.array(sure) - 0.6))]
    assert memorised.softening(table, logits) == pytest.approx(best, abs=0.01)


def test_each_folds_answers_are_calibrated_for_themselves(answer):
    """After fusing, which divides by the teacher's temperature."""
    teacher = answer("teacher", scale=3, views=2)
    scales, parts = (0.2, 40.0), []
    for index, scale in enumerate(scales):
        model = answer(f"fold{index}", scale=scale, views=2)
        rows = np.flatnonzero(np.arange(210) % 2 == index)
        parts.append(with_split(model, "train", model.split("train").take(rows)))
    train = fusion.out_of_fold(teacher.split("validation"), parts)
    assert sorted(train.keys) == sorted(teacher.split("train").keys)
    fused = fusion.fuse({"m": with_split(teacher, "train", train)}, TWO_VIEWS, 0)
    for part in parts:
        validation, own = part.split("validation"), part.split("train")
        temperature = fit_temperature(validation.logits, validation.labels)
        rows = fused.soft_labels.lookup(own.keys)
        np.testing.assert_allclose(
            fused.soft_labels.log_probs[rows],
            metrics.log_softmax(own.logits / temperature),
            atol=1e-4,
        )
        np.testing.assert_array_equal(train.labels[rows_of(train, own)], own.labels)


def rows_of(split, other):
    place = {key: row for row, key in enumerate(split.keys.tolist())}
    return [place[key] for key in other.keys.tolist()]


@pytest.fixture
def judged(tmp_path, teachers, recipe, answer):
    """A function that judges the teachers beside a CE student of some skill."""
    experiment = fused_files(tmp_path, teachers, recipe)

    def judge(skill):
        student = answer("student-ce", skill=skill, scale=7)
        student.save(experiment.student("ce").predictions)
        return fusion.judge(recipe, experiment)

    return judge


def test_teachers_are_shown_to_beat_a_weak_student(judged, caplog):
    with caplog.at_level(logging.WARNING):
        found = judged(skill=1.0)
    assert found["warnings"] == []
    assert not caplog.records
    row = found["students"]["student-ce"]
    value, low, high = row["fused_minus"]["nll"]
    assert low < value < high < 0
    assert value == pytest.approx(found["fused"]["nll"] - row["nll"])
    assert row["nll"] < 2, "its own T is fitted, or a scale of 7 would be punished"


@pytest.mark.parametrize("skill", [2.5, 4.0])
def test_a_student_as_good_as_its_teachers_is_warned_of(judged, skill, caplog):
    """Fault 5 of the original."""
    with caplog.at_level(logging.WARNING):
        found = judged(skill)
    (warning,) = found["warnings"]
    assert named_in(warning, found["students"]) == {"student-ce"}
    assert warning in caplog.text


def test_a_pool_no_better_than_a_teacher_is_warned_of_without_a_student(
    tmp_path, answer, recipe, caplog
):
    alike = {"weak": answer("weak", skill=0.0, views=2), "strong": answer("b", views=2)}
    experiment = fused_files(tmp_path, alike, recipe)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        found = fusion.judge(recipe, experiment)
    assert found["students"] == {}
    assert named_in(caplog.text, found["teachers"]) == {"strong"}


def test_the_students_half_is_scored_by_what_the_other_half_fitted(teachers, answer):
    """A student whose halves need opposite scales shows which half its T is from."""
    splits = {name: teacher.split("validation") for name, teacher in teachers.items()}
    one = answer("student-ce").split("validation")
    mask = halves(one.groups, 0)
    scale = np.where(mask, 9.0, 1.0)[:, None]
    student = {"student-ce": one.with_logits(one.logits * scale)}
    row = cross_fit(splits, student, TWO_VIEWS, 0)[1]["student-ce"]
    expected = np.empty(one.logits.shape)
    for half in (mask, ~mask):
        z = student["student-ce"].logits
        temperature = fit_temperature(z[~half], one.labels[~half])
        expected[half] = metrics.softmax(z[half] / temperature)
    assert row["nll"] == pytest.approx(metrics.nll(one.labels, expected))
    assert row["nll"] > 1.5 * metrics.nll(one.labels, metrics.softmax(one.logits))


def test_teachers_that_saw_other_views_are_refused(answer, teachers):
    other = dataclasses.replace(answer("other", views=2), view_seed=1)
    with pytest.raises(UserError, match="{'weak': 0, 'other': 1}"):
        fusion.fuse({"weak": teachers["weak"], "other": other}, TWO_VIEWS, 0)
    with pytest.raises(UserError, match=r"\[210, 2, 7\].*\[n, 8, 7\]"):
        fusion.fuse(teachers, SoftLabelsConfig(views=8), 0)
    with pytest.raises(UserError, match="'train'"):
        fusion.fuse({"m": answer("m")}, TWO_VIEWS, 0)


def test_lookup_finds_rows_and_names_what_is_missing():
    labels = SoftLabels(np.array(["a", "b", "c"]), np.zeros((3, 2, 7), "f4"), 0)
    np.testing.assert_array_equal(labels.lookup(["c", "a"]), [2, 0])
    with pytest.raises(UserError, match=r"\b2 of 3\b.*\bx, y\."):
        labels.lookup(["x", "b", "y"])


def test_soft_labels_survive_their_file(tmp_path, teachers):
    fused = fusion.fuse(teachers, TWO_VIEWS, 0).soft_labels
    fused = dataclasses.replace(fused, view_seed=3)
    fused.save(tmp_path / "soft_labels.npz")
    loaded = SoftLabels.load(tmp_path / "soft_labels.npz")
    np.testing.assert_array_equal(loaded.keys, fused.keys)
    kept = fused.log_probs.astype(np.float16)
    np.testing.assert_array_equal(loaded.log_probs, kept)
    assert loaded.log_probs.dtype == np.float32
    assert (loaded.views, loaded.view_seed) == (2, 3)


def test_soft_labels_of_another_class_order_are_refused(tmp_path, monkeypatch):
    labels = SoftLabels(np.array(["a"]), np.zeros((1, 2, 7), "f4"), 0)
    with monkeypatch.context() as other:
        other.setattr(predictions, "CLASSES", tuple("abcdefg"))
        labels.save(tmp_path / "s.npz")
    with pytest.raises(UserError, match=r"s\.npz.*'a', 'b'.*'Angry'"):
        SoftLabels.load(tmp_path / "s.npz")


def with_digests(teacher, manifest="m", weights="w"):
    made_from = {"manifest": manifest, "weights": weights}
    return dataclasses.replace(teacher, made_from=made_from)


def fused_files(tmp_path, teachers, recipe):
    """Return an experiment with teachers, whose files are words, and soft labels."""
    experiment = Experiment(tmp_path)
    experiment.manifest.write_text("rows")
    for name in ("weak", "strong"):
        run = experiment.teacher(name)
        run.path.mkdir(parents=True)
        run.weights.write_text(name)
        digests = map(files.sha256_of, (experiment.manifest, run.weights))
        with_digests(teachers[name], *digests).save(run.predictions)
    fusion.run(recipe, experiment)
    return experiment


def test_soft_labels_know_the_files_behind_them(tmp_path, teachers, recipe):
    experiment = fused_files(tmp_path, teachers, recipe)
    strong = experiment.teacher("strong")
    made_from = SoftLabels.load(experiment.soft_labels).made_from
    assert set(made_from) == {
        "manifest",
        *(f"{who}/{what}" for who in ("weak", "strong") for what in WHAT),
    }
    assert made_from["manifest"] == files.sha256_of(experiment.manifest)
    assert made_from["strong/weights"] == files.sha256_of(strong.weights)
    assert made_from["strong/predictions"] == files.sha256_of(strong.predictions)
    assert fusion.checked(recipe, experiment).made_from == made_from


@pytest.mark.parametrize(
    "changed", ["manifest", "weak/weights", "strong/weights", "strong/predictions"]
)
def test_soft_labels_of_another_file_are_refused(tmp_path, teachers, recipe, changed):
    experiment = fused_files(tmp_path, teachers, recipe)
    before = fusion.checked(recipe, experiment).made_from[changed]
    name, _, what = changed.partition("/")
    path = getattr(experiment.teacher(name), what) if what else experiment.manifest
    path.write_text("other")
    now = files.sha256_of(path)
    with pytest.raises(
        UserError,
        match=f"{changed}.*{now[:12]}.*{before[:12]}.*fer-tf fuse",
    ):
        fusion.checked(recipe, experiment)


def test_teachers_may_be_gone_but_not_the_digest_of_the_manifest(
    tmp_path, teachers, recipe
):
    experiment = fused_files(tmp_path, teachers, recipe)
    experiment.teacher("weak").weights.unlink()
    soft_labels = fusion.checked(recipe, experiment)
    dataclasses.replace(soft_labels, made_from={}).save(experiment.soft_labels)
    with pytest.raises(UserError, match="soft_labels.npz.*SHA-256.*fer-tf fuse"):
        fusion.checked(recipe, experiment)
    # Soft labels without a record, as another program may have written them.
    (experiment.fused.path / "fuse.json").unlink()
    with pytest.raises(UserError, match="manifest.*none.*fer-tf fuse"):
        fusion.checked(recipe, experiment)


def test_teachers_of_different_manifests_are_not_fused(tmp_path, teachers, recipe):
    experiment = Experiment(tmp_path)
    for name in ("weak", "strong"):
        teacher = with_digests(teachers[name], manifest=name)
        teacher.save(experiment.teacher(name).predictions)
    with pytest.raises(UserError, match="'weak': 'weak', 'strong': 'strong'"):
        fusion.run(recipe, experiment)


def brought_along(fused, recipe, tmp_path, **changes):
    """Return a recipe with an experiment's soft labels, and one without teachers."""
    experiment = Experiment(tmp_path / "again")
    experiment.root.mkdir()
    experiment.manifest.write_text("rows, made again")
    soft_labels = dataclasses.replace(
        recipe.soft_labels, stored=str(fused.fused.path), **changes
    )
    return dataclasses.replace(recipe, soft_labels=soft_labels), experiment


def test_soft_labels_that_came_with_a_recipe_take_the_teachers_place(
    tmp_path, teachers, recipe
):
    fused = fused_files(tmp_path, teachers, recipe)
    recipe, experiment = brought_along(fused, recipe, tmp_path)
    fusion.run(recipe, experiment)
    taken = fusion.checked(recipe, experiment)
    before = SoftLabels.load(fused.soft_labels)
    np.testing.assert_array_equal(taken.keys, before.keys)
    np.testing.assert_array_equal(taken.log_probs, before.log_probs)
    assert taken.made_from == {
        "manifest": files.sha256_of(experiment.manifest),
        "stored": files.sha256_of(fused.soft_labels),
    }
    told = files.read_json(experiment.soft_labels.with_suffix(".json"))
    judged = fusion.judge(recipe, experiment)
    assert judged["teachers"] == told["cross_fit"]["teachers"]
    written = experiment.soft_labels.stat().st_mtime_ns
    fusion.run(recipe, experiment)
    assert experiment.soft_labels.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"augment": AugmentConfig(shift=0.3)}, r"augment\.shift.*\b0\.3"),
        ({"face": FaceConfig(size=80)}, r"face\.size.*\b80\b"),
        ({"views": 3}, r"\bviews\b.*\b2\b.*\b3\b"),
    ],
)
def test_soft_labels_of_other_views_are_not_taken(
    tmp_path, teachers, recipe, changed, says
):
    fused = fused_files(tmp_path, teachers, recipe)
    views = changed.get("views", 2)
    recipe, experiment = brought_along(fused, recipe, tmp_path, views=views)
    parts = {name: part for name, part in changed.items() if name != "views"}
    recipe = dataclasses.replace(recipe, **parts)
    with pytest.raises(UserError, match=says):
        fusion.run(recipe, experiment)
    assert not experiment.fused.path.exists()


def test_soft_labels_of_an_experiment_are_of_its_recipes_views(
    tmp_path, teachers, recipe
):
    """An override between fusing and distilling would change the pixels alone."""
    experiment = fused_files(tmp_path, teachers, recipe)
    fusion.checked(dataclasses.replace(recipe, seed=5), experiment)
    other = dataclasses.replace(recipe, augment=AugmentConfig(shift=0.3))
    with pytest.raises(UserError, match=r"augment\.shift.*\b0\.3"):
        fusion.checked(other, experiment)
    live = dataclasses.replace(other.distill, teacher="live")
    fusion.checked(dataclasses.replace(other, distill=live), experiment)


def test_soft_labels_that_came_along_teach_a_student_of_any_seed(
    tmp_path, teachers, recipe
):
    fused = fused_files(tmp_path, teachers, recipe)
    recipe, experiment = brought_along(fused, recipe, tmp_path)
    fusion.run(dataclasses.replace(recipe, seed=1), experiment)
    assert recipe.seed == SoftLabels.load(experiment.soft_labels).view_seed == 0


def test_the_shipped_soft_labels_are_of_their_recipes_views_and_teachers():
    kept = Path(__file__).parents[1] / "configs" / "laptop"
    recipe = recipes.load(kept.with_suffix(".yaml"))
    told = stored.checked_report(kept / "soft_labels.npz", recipe)
    assert set(told["weights"]) == {each.model.name for each in recipe.teachers}
    assert SoftLabels.load(kept / "soft_labels.npz").views == recipe.soft_labels.views


@pytest.mark.parametrize("gone", [".npz", ".json"])
def test_soft_labels_that_are_not_there_are_not_taken(
    tmp_path, teachers, recipe, gone
):
    fused = fused_files(tmp_path, teachers, recipe)
    recipe, experiment = brought_along(fused, recipe, tmp_path)
    fused.soft_labels.with_suffix(gone).unlink()
    with pytest.raises(UserError, match=rf"soft_labels\{gone}"):
        fusion.run(recipe, experiment)


@pytest.fixture
def recipe():
    stages = tuple(StageConfig(ModelConfig(name)) for name in ("weak", "strong"))
    return Config(teachers=stages, soft_labels=TWO_VIEWS)


def test_run_writes_everything_once(tmp_path, teachers, recipe):
    experiment = Experiment(tmp_path)
    with pytest.raises(UserError, match="fer-tf train --stage teachers"):
        fusion.run(recipe, experiment)
    for name in ("weak", "strong"):
        teachers[name].save(experiment.teacher(name).predictions)
    fusion.run(recipe, experiment)
    report = files.read_json(tmp_path / "soft_labels" / "soft_labels.json")
    assert report["inputs"] == {
        f"{name}/predictions.npz": files.sha256_of(
            experiment.teacher(name).predictions
        )
        for name in ("weak", "strong")
    }
    assert Predictions.load(experiment.fused.predictions).model == "fused"
    assert SoftLabels.load(experiment.soft_labels).views == 2

    written = experiment.soft_labels.stat().st_mtime_ns
    fusion.run(recipe, experiment)
    assert experiment.soft_labels.stat().st_mtime_ns == written
    other = dataclasses.replace(
        recipe, soft_labels=SoftLabelsConfig(views=2, search="macro_f1")
    )
    with pytest.raises(UserError, match=r"search.*'nll'.*'macro_f1'"):
        fusion.run(other, experiment)


def balanced_nll_of(log_probs, labels):
    probs = metrics.softmax(log_probs)
    return metrics.balanced_nll(labels, probs, metrics.source_prior(probs))


def skewed(log_probs, labels, seed=0):
    """Rows drawn so that class 6 is 20 times as frequent as class 0."""
    rng = np.random.default_rng(seed)
    weights = np.array([1, 2, 3, 5, 8, 12, 20])[labels]
    rows = rng.choice(len(labels), size=900, p=weights / weights.sum())
    return log_probs[:, rows], labels[rows]


def test_balanced_nll_weights_are_as_good_as_a_fine_grid(calibrated):
    log_probs, labels = skewed(*calibrated)
    weights = balanced_nll_weights(log_probs, labels)

    def score(candidate):
        return balanced_nll_of(np.tensordot(candidate, log_probs, axes=1), labels)

    best = min(simplex_grid(3, 40), key=score)
    assert score(weights) <= score(best) + 0.002
    assert weights.sum() == pytest.approx(1) and weights.min() >= 0


def test_balanced_nll_weights_prefer_the_teacher_that_knows_rare_classes():
    """One teacher tells apart frequent classes, the other rare ones."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(7), [10, 10, 10, 400, 400, 400, 400])
    logits = rng.normal(size=(2, len(labels), 7))
    skill = 3 * np.eye(7)[labels]
    logits[0] += skill * (labels >= 3)[:, None]
    logits[1] += skill * (labels < 3)[:, None]
    log_probs = metrics.log_softmax(logits)
    by_nll = nll_weights(log_probs, labels)
    by_balanced = balanced_nll_weights(log_probs, labels)
    assert by_balanced[1] > by_nll[1] + 0.1


def test_a_pool_may_follow_the_balanced_nll(teachers):
    validation = {name: each.split("validation") for name, each in teachers.items()}
    labels = validation["weak"].labels
    pool = fit_pool(
        {name: each.logits for name, each in validation.items()},
        labels,
        "balanced_nll",
    )
    for name, each in validation.items():
        best = fit_balanced_temperature(each.logits, labels)
        assert pool.temperatures[name] == best
    assert sum(pool.weights.values()) == pytest.approx(1)


def test_cross_fit_compares_by_the_balanced_nll(teachers):
    validation = {name: each.split("validation") for name, each in teachers.items()}
    config = SoftLabelsConfig(search="balanced_nll")
    fused, table = cross_fit(validation, validation, config, seed=0)
    for row in table.values():
        value, low, high = row["fused_minus"]["balanced_nll"]
        assert low <= value <= high
        assert value == pytest.approx(fused["balanced_nll"] - row["balanced_nll"])
    told = shortfalls(table, "balanced_nll")
    worse = [name for name, row in table.items()
             if row["fused_minus"]["balanced_nll"][2] >= 0]
    assert len(told) == len(worse)
    assert all("balanced_nll" in each for each in told)
