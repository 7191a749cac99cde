import dataclasses
import shutil

import numpy as np
import pytest

from fer_tf import config as recipes
from fer_tf import files
from fer_tf.calibration import Calibration
from fer_tf.config import Config
from fer_tf.config import ExportConfig
from fer_tf.errors import UserError
from fer_tf.evaluation import comparison
from fer_tf.evaluation import readme
from fer_tf.evaluation import results
from fer_tf.evaluation import stages
from fer_tf.experiment import Experiment
from fer_tf.fusion import SoftLabels
from fer_tf.predictions import Predictions

SKILLS = {"ce": 1.2, "kd": 2.0}


def with_voters(predictions):
    """Of the corpus `b` every third record's voters disagree."""
    splits = {}
    for name, split in predictions.splits.items():
        agreed = (split.sources != "b") | (np.arange(len(split)) % 3 > 0)
        splits[name] = dataclasses.replace(split, agreed=agreed)
    return Predictions(predictions.model, 0, splits)


def evaluated(root, answer, config):
    """Return an experiment of a teacher and two students, evaluated."""
    experiment = Experiment(root)
    files.write_text(experiment.config, recipes.to_yaml(config))
    runs = {"resnet18": (experiment.teacher("resnet18"), 2.5)}
    runs |= {each: (experiment.student(each), SKILLS[each]) for each in SKILLS}
    for name, (run, skill) in runs.items():
        predictions = answer(f"{name} {config.seed}", skill=skill, scale=2)
        with_voters(predictions).save(run.predictions)
        settings = {"seed": config.seed, "stage": {"train": {"best_by": "nll"}}}
        record = {"settings": settings, "environment": {"commit": "0123abc"}}
        files.write_json(run.path / "train.json", record)
    stages.calibrate_all(config, experiment)
    stages.evaluate_all(config, experiment)
    return root


@pytest.fixture(scope="module")
def seeds(tmp_path_factory, answer):
    """Two seeds of one recipe; only to be read."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        evaluated(folder / f"demo-{seed}", answer, Config(f"demo-{seed}", seed))
        for seed in (0, 1)
    ]


@pytest.fixture
def copied(seeds, tmp_path):
    """The first seed, to be changed."""
    shutil.copytree(seeds[0], tmp_path / "demo-0")
    return tmp_path / "demo-0"


@pytest.fixture(scope="module")
def content(seeds):
    (recipe,) = results.collect(seeds)
    return recipe


def figures_of(root, model, source):
    test = files.read_json(root / model / "metrics.json")["test"]
    return test["by_source_raw"][source], test["by_source"][source]


def test_a_single_seed_repeats_what_metrics_json_says(seeds):
    (recipe,) = results.collect(seeds[:1])
    assert (recipe["experiments"], recipe["seeds"]) == (["demo-0"], [0])
    assert list(recipe["test_sets"]) == ["a", "b", "b, agreed"]
    for source in "ab":
        found = recipe["test_sets"][source]
        assert list(found["models"]) == ["resnet18", "student-ce", "student-kd"]
        raw, calibrated = figures_of(seeds[0], "student-kd", source)
        both = found["models"]["student-kd"]
        for state, told in (("raw", raw), ("calibrated", calibrated)):
            assert {name: both[state][name] for name in results.FIGURES} == {
                name: told[name] for name in results.FIGURES
            }
            assert both[state]["intervals"]["nll"] == told["intervals"]["nll"]
        assert (found["n"], found["n_per_class"]) == (210, [30] * 7)
    agreed = recipe["test_sets"]["b, agreed"]
    assert agreed["n"] == 140
    assert agreed["models"]["student-kd"]["calibrated"]["nll"] == (
        calibrated["agreed"]["nll"]
    )


def test_seeds_are_shown_as_mean_and_spread(seeds, content):
    assert content["seeds"] == [0, 1]
    found = content["test_sets"]["a"]["models"]["student-kd"]["calibrated"]
    both = [figures_of(root, "student-kd", "a")[1] for root in seeds]
    for name in results.FIGURES:
        first, second = (each[name] for each in both)
        assert found[name] == pytest.approx((first + second) / 2)
        assert found["spread"][name] == pytest.approx(abs(first - second) / 2**0.5)
        assert found["by_seed"][name] == [first, second]
    lows = [each["intervals"]["accuracy"][0] for each in both]
    assert found["intervals"]["accuracy"][0] == pytest.approx(sum(lows) / 2)
    assert "ece" not in found["intervals"]


def test_differences_are_those_of_comparison_on_one_corpus(seeds, content):
    loaded = [
        comparison.load_seeds([root / model for root in seeds], "test")
        for model in ("student-kd", "student-ce")
    ]
    rows = loaded[0].sources == "b"
    kd, ce = (comparison.probs_by_seed(each.take(rows)) for each in loaded)
    labels, groups = loaded[0].labels[rows], loaded[0].groups[rows]
    assert content["differences"]["b"] == {
        "student-kd": comparison.minus(labels, kd, ce, groups)
    }


def test_other_recipes_stand_apart(seeds, copied, content):
    config = Config("other", export=ExportConfig(student="ce"))
    files.write_text(copied / "config.yaml", recipes.to_yaml(config))
    found = results.collect([copied, *seeds])
    assert [each["experiments"] for each in found] == [["other"], ["demo-0", "demo-1"]]
    assert found[1] == content
    text = readme.section(found, "fer-tf results")
    assert text.index("### `other`") < text.index("### `demo-0`, `demo-1`")


def change_predictions(root, answer):
    with_voters(answer("new")).save(root / "student-kd" / "predictions.npz")


def change_calibration(root, answer):
    path = root / "student-kd" / "calibration.json"
    dataclasses.replace(Calibration.load(path), temperature=9.0).save(path)


def change_figures(root, answer):
    path = root / "student-kd" / "metrics.json"
    path.write_text(path.read_text().replace('"accuracy": 0', '"accuracy": 1', 1))


def forget_the_record(root, answer):
    (root / "student-kd" / "steps" / "evaluate.json").unlink()


def forget_the_figures(root, answer):
    (root / "student-kd" / "metrics.json").unlink()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (change_predictions, r"predictions\.npz .*SHA-256 \w{12}\b.* \w{12}\b"),
        (change_calibration, r"calibration\.json .*SHA-256 \w{12}\b"),
        (change_figures, r"metrics\.json .*SHA-256 \w{12}\b"),
        (forget_the_record, "SHA-256 unknown"),
        (forget_the_figures, r"metrics\.json .*SHA-256 \w{12}\b"),
    ],
)
def test_stale_figures_are_refused_with_what_to_run(copied, answer, harm, told):
    harm(copied, answer)
    with pytest.raises(UserError, match=told) as raised:
        results.collect([copied])
    options = f"--config {copied / 'config.yaml'} --runs {copied.parent}"
    assert str(copied / "student-kd" / "steps") in str(raised.value)
    assert f"fer-tf calibrate {options} && fer-tf evaluate {options}" in str(
        raised.value
    )


def test_what_to_run_mends_stale_figures(copied, answer):
    change_predictions(copied, answer)
    shutil.rmtree(copied / "student-kd" / "steps")
    experiment, config = Experiment(copied), recipes.load(copied / "config.yaml")
    stages.calibrate_all(config, experiment)
    stages.evaluate_all(config, experiment)
    (recipe,) = results.collect([copied])
    shown = recipe["test_sets"]["a"]["models"]["student-kd"]["calibrated"]
    assert shown["nll"] == figures_of(copied, "student-kd", "a")[1]["nll"]


def test_an_earlier_versions_figures_are_refused(copied):
    run = Experiment(copied).student("kd")
    figures = files.read_json(run.metrics)
    del figures["test"]["by_source_raw"]
    files.write_json(run.metrics, figures)
    record = files.read_json(run.path / "steps" / "evaluate.json")
    record["outputs"]["student-kd/metrics.json"] = files.sha256_of(run.metrics)
    files.write_json(run.path / "steps" / "evaluate.json", record)
    with pytest.raises(UserError, match="metrics.json.*`by_source_raw`"):
        results.collect([copied])


def test_seeds_must_differ_and_have_the_same_models(seeds, copied):
    with pytest.raises(UserError, match=r"\[0, 0\]"):
        results.collect([seeds[0], copied])
    shutil.rmtree(copied / "student-kd")
    with pytest.raises(UserError, match="student-ce.* and .*student-kd"):
        results.collect([copied, seeds[1]])


@pytest.fixture
def taught_alike(copied, seeds, tmp_path):
    """Two seeds, of which the second brought the first one's soft labels along."""
    second = tmp_path / "demo-1"
    shutil.copytree(seeds[1], second)
    (second / "teachers" / "resnet18" / "train.json").unlink()
    config = recipes.load(second / "config.yaml", ["soft_labels.stored=kept"])
    files.write_text(second / "config.yaml", recipes.to_yaml(config))
    for root in (copied, second):
        save_soft_labels(root, 0.0)
    return [second, copied]


def save_soft_labels(root, value):
    log_probs = np.full((1, 2, 7), value, np.float32)
    labels = SoftLabels(np.array(["a"]), log_probs, 0, {"of": str(root)})
    labels.save(Experiment(root).soft_labels)


def test_seeds_whose_soft_labels_came_along_share_the_teachers(taught_alike, content):
    (recipe,) = results.collect(taught_alike)
    assert (recipe["seeds"], recipe["taught_by"]) == ([1, 0], 0)
    assert (content["seeds"], content["taught_by"]) == ([0, 1], None)
    found, both = (each["test_sets"]["a"]["models"] for each in (recipe, content))
    assert list(found) == list(both)
    kd, teacher = (found[each]["calibrated"] for each in ("student-kd", "resnet18"))
    assert kd["nll"] == both["student-kd"]["calibrated"]["nll"]
    first = figures_of(taught_alike[1], "teachers/resnet18", "a")[1]
    assert teacher["nll"] == first["nll"]
    assert "spread" not in teacher
    text = readme.section([recipe], "fer-tf results")
    assert "seed 0" in text
    assert "seed 0" not in readme.section([content], "fer-tf results")
    (row,) = [row for row in rows_of(text) if row[0] == "teacher, resnet18"][-1:]
    assert [bool(cell) for cell in row] == [True, False, True]


def test_seeds_that_brought_other_soft_labels_stand_apart(taught_alike):
    save_soft_labels(taught_alike[1], 1.0)
    with pytest.raises(UserError, match=f"{taught_alike[1]}"):
        results.collect(taught_alike)


def test_a_stage_that_was_asked_for_something_else_is_no_seed(copied, seeds):
    path = copied / "teachers" / "resnet18" / "train.json"
    record = files.read_json(path)
    record["settings"]["stage"]["train"]["epochs"] = 9
    files.write_json(path, record)
    with pytest.raises(UserError, match=r"stage\.train\.epochs"):
        results.collect([copied, seeds[1]])


def test_a_folder_without_a_recipe_is_no_experiment(tmp_path):
    with pytest.raises(UserError, match=f"config.yaml.*{tmp_path}"):
        results.collect([tmp_path])


def rows_of(text):
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.replace("\N{NO-BREAK SPACE}", " ").splitlines()
        if line.startswith("|")
    ]


def test_the_section_shows_each_figure_once(content):
    text = readme.section([content], "fer-tf results a & b")
    rows = rows_of(text)
    assert rows.count(["model", "accuracy", "macro-F1", "NLL", "ECE"]) == 3
    kd = content["test_sets"]["a"]["models"]["student-kd"]
    raw, shown = kd["raw"], kd["calibrated"]
    accuracy, nll, ece = (shown[name] for name in ("accuracy", "nll", "ece"))
    spread, (low, high) = shown["spread"], shown["intervals"]["accuracy"]
    cells = next(row for row in rows if row[0] == "student, KD")
    assert cells[1] == (
        f"{accuracy:.3f} ± {spread['accuracy']:.3f} ({low:.3f} to {high:.3f})"
    )
    assert cells[3].startswith(f"{raw['nll']:.3f} → {nll:.3f} ± ")
    assert cells[4] == f"{raw['ece']:.3f} → {ece:.3f} ± {spread['ece']:.3f}"
    value, low, high = content["differences"]["a"]["student-kd"]["accuracy"]
    assert ["`a`", "student, KD"] in [row[:2] for row in rows]
    assert f"**{value:+.3f} ({low:+.3f} to {high:+.3f})**" in str(rows)


def test_the_section_says_what_it_rests_on(content, seeds):
    text = readme.section([content], "fer-tf results a & b")
    assert "(0, 1)" in text and "n = 420" in text
    assert "NLL" in text and "temperature" in text
    assert "**`a`**, n = 210: Angry 30, Disgust 30," in text
    assert "**`b`, agreed**, n = 140: " in text
    assert "<code>fer-tf results a &amp; b</code>" in text
    assert "commits: 0123abc" in text
    for root in seeds:
        digest = files.sha256_of(root / "student-kd" / "predictions.npz")
        assert digest[:12] in text
    for note in (readme.OF_MEANS, readme.OF_DIFFERENCES, readme.AGREED):
        assert note in text
    assert readme.ABSENT not in text
    assert "SMOKE" not in text


def test_a_smoke_run_is_stamped(copied):
    config = dataclasses.replace(recipes.load(copied / "config.yaml"), smoke=True)
    files.write_text(copied / "config.yaml", recipes.to_yaml(config))
    text = readme.section(results.collect([copied]), "fer-tf results")
    assert "SMOKE" in text
    assert "(0)" in text
    assert readme.OF_MEANS not in text


def test_without_cross_entropy_nothing_is_compared(copied):
    shutil.rmtree(copied / "student-ce")
    (recipe,) = results.collect([copied])
    assert recipe["differences"] == {}
    text = readme.section([recipe], "fer-tf results")
    assert ["`a`", "student, KD"] not in [row[:2] for row in rows_of(text)]
    assert readme.OF_DIFFERENCES not in text
