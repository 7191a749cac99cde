import dataclasses
import re

import pytest

from fer_tf import files
from fer_tf.config import CalibrateConfig
from fer_tf.config import Config
from fer_tf.config import ExportConfig
from fer_tf.errors import UserError
from fer_tf.evaluation import report
from fer_tf.evaluation import stages
from fer_tf.experiment import Experiment
from fer_tf.labels import CLASSES

DRAWINGS = ("reliability", "confusion", "risk_coverage")
SKILLS = {"ce": 1.2, "kd": 3.0, "dkd": 2.0}
CONFIG = Config(experiment="a <b> & c", smoke=True)


def answered(root, answer, stages=("ce",)):
    """Return an experiment whose students have answered."""
    experiment = Experiment(root)
    for stage in stages:
        predictions = answer(f"student-{stage}", skill=SKILLS[stage], scale=2)
        predictions.save(experiment.student(stage).predictions)
    return experiment


def finish(config, experiment):
    stages.calibrate_all(config, experiment)
    stages.evaluate_all(config, experiment)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, answer):
    """A teacher and three students, calibrated and evaluated; only to be read."""
    experiment = answered(tmp_path_factory.mktemp("experiment"), answer, SKILLS)
    answer("teachers/resnet18").save(experiment.teacher("resnet18").predictions)
    finish(CONFIG, experiment)
    return experiment


@pytest.fixture(scope="module")
def page(evaluated):
    return evaluated.report.with_suffix(".html").read_text()


def test_every_model_gets_its_figures_and_the_report_repeats_them(evaluated):
    content = files.read_json(evaluated.report)
    names = ["resnet18", "student-ce", "student-kd", "student-dkd"]
    assert list(content["models"]) == names
    for stage in SKILLS:
        written = files.read_json(evaluated.student(stage).metrics)
        assert content["models"][f"student-{stage}"] == written
    assert content["comparison"]["baseline"] == "student-ce"
    assert list(content["comparison"]["differences"]) == ["student-kd", "student-dkd"]


def test_the_same_command_again_writes_nothing_new(tmp_path, answer):
    experiment = answered(tmp_path, answer)
    finish(CONFIG, experiment)
    run = experiment.student("ce")
    kept = [run.calibration, run.metrics]
    before = [path.stat().st_mtime_ns for path in kept]
    page = experiment.report.with_suffix(".html").read_bytes()
    finish(CONFIG, experiment)
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert experiment.report.with_suffix(".html").read_bytes() == page


def test_other_settings_or_other_answers_are_refused(tmp_path, answer):
    experiment = answered(tmp_path, answer)
    finish(CONFIG, experiment)
    other = dataclasses.replace(CONFIG, calibrate=CalibrateConfig(0.5))
    with pytest.raises(UserError, match="steps was made differently: wanted_accuracy"):
        stages.calibrate_all(other, experiment)
    answer("new").save(experiment.student("ce").predictions)
    with pytest.raises(UserError, match="student-ce/steps was made differently"):
        stages.evaluate_all(CONFIG, experiment)


def test_a_student_that_came_later_is_added(tmp_path, answer):
    experiment = answered(tmp_path, answer)
    finish(CONFIG, experiment)
    assert list(files.read_json(experiment.report)["models"]) == ["student-ce"]
    answered(tmp_path, answer, ["kd"])
    with pytest.raises(UserError, match="Make it with: fer-tf calibrate"):
        stages.evaluate_all(CONFIG, experiment)
    finish(CONFIG, experiment)
    names = list(files.read_json(experiment.report)["models"])
    assert names == ["student-ce", "student-kd"]


def test_nothing_to_calibrate_names_the_command(tmp_path):
    with pytest.raises(UserError, match="fer-tf train --stage teachers"):
        stages.calibrate_all(CONFIG, Experiment(tmp_path))


def test_an_accuracy_out_of_reach_is_said(tmp_path, answer, caplog):
    config = dataclasses.replace(CONFIG, calibrate=CalibrateConfig(1.0))
    stages.calibrate_all(config, answered(tmp_path, answer))
    assert "student-ce reaches an accuracy of 1.00 on validation at no" in caplog.text


def test_the_best_student_leaves_unless_one_is_named(evaluated, tmp_path):
    assert stages.exported_student(CONFIG, evaluated) == "kd"
    named = dataclasses.replace(CONFIG, export=ExportConfig(student="ce"))
    assert stages.exported_student(named, evaluated) == "ce"
    assert stages.exported_student(named, Experiment(tmp_path)) == ""


def test_the_page_is_whole_escaped_and_stamped(page):
    assert "<h1>a &lt;b&gt; &amp; c</h1>" in page
    assert "SMOKE RUN" in page
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) == 3
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "<script" not in page and "url(" not in page


def test_the_page_shows_the_exported_students_figures(evaluated, page):
    figures = files.read_json(evaluated.student("kd").metrics)["test"]["calibrated"]
    lead = re.search(r"<p><strong>student-kd</strong>.*?</p>", page, re.DOTALL)[0]
    for name in ("accuracy", "macro_f1", "ece"):
        assert f"{figures[name]:.3f}" in lead
    for value in figures["per_class_f1"]:
        assert f"<td>{value:.3f}" in page


def test_the_page_shows_what_the_sets_gave_on_test(evaluated, page):
    sets = files.read_json(evaluated.student("kd").metrics)["test"]["sets"]
    lead = re.search(r"<p><strong>student-kd</strong>.*?</p>", page, re.DOTALL)[0]
    assert "fitted on validation to hold the label in 90 %" in lead
    assert f"{100 * sets['coverage']:.1f} % (" in lead
    assert f"{sets['mean_size']:.2f} classes" in lead


def test_a_real_run_has_no_stamp_and_shows_its_data(evaluated):
    split = {"rows": 1234, "kept": 1229, "by_class": dict.fromkeys(CLASSES, 175)}
    split["imbalance"] = 1.0
    counts = ("pictures", "rows", "within_split", "across_splits", "other_label")
    near = dict(zip(counts, (77, 154, 70, 7, 3), strict=True))
    part = {"excluded": {"contempt": 5}, "by_split": {"train": split}}
    content = {
        **files.read_json(evaluated.report),
        "smoke": False,
        "data": {**part, "by_source": {"a": part}, "duplicates": {"a": {"near": near}}},
    }
    page = report.render(content, dict.fromkeys(DRAWINGS, "data:"))
    assert "SMOKE" not in page
    for shown in ("1,234", "1,229", "contempt", "77"):
        assert shown in page
