import dataclasses

import pytest

from fer_tf import files
from fer_tf.config import CalibrateConfig
from fer_tf.config import Config
from fer_tf.config import ExportConfig
from fer_tf.errors import UserError
from fer_tf.evaluation import stages
from fer_tf.experiment import Experiment

SKILLS = {"ce": 1.2, "kd": 3.0, "dkd": 2.0}
CONFIG = Config(experiment="demo", smoke=True)


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
    with pytest.raises(UserError, match=r"steps.*wanted_accuracy.*0\.9.*0\.5"):
        stages.calibrate_all(other, experiment)
    answer("new").save(experiment.student("ce").predictions)
    with pytest.raises(UserError) as raised:
        stages.evaluate_all(CONFIG, experiment)
    assert str(experiment.student("ce").predictions) in str(raised.value)


def test_a_student_that_came_later_is_added(tmp_path, answer):
    experiment = answered(tmp_path, answer)
    finish(CONFIG, experiment)
    assert list(files.read_json(experiment.report)["models"]) == ["student-ce"]
    answered(tmp_path, answer, ["kd"])
    with pytest.raises(UserError, match="student-kd.*fer-tf calibrate"):
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
    (record,) = caplog.records
    assert "student-ce" in record.getMessage() and "1.00" in record.getMessage()


def test_the_best_student_leaves_unless_one_is_named(evaluated, tmp_path):
    assert stages.exported_student(CONFIG, evaluated) == "kd"
    named = dataclasses.replace(CONFIG, export=ExportConfig(student="ce"))
    assert stages.exported_student(named, evaluated) == "ce"
    assert stages.exported_student(named, Experiment(tmp_path)) == ""


def test_no_other_student_leaves_where_one_has_lost_its_answers(tmp_path, answer):
    experiment = answered(tmp_path, answer, ("ce", "kd"))
    finish(CONFIG, experiment)
    lost = stages.exported_student(CONFIG, experiment)
    experiment.student(lost).predictions.unlink()
    with pytest.raises(UserError, match=f"student-{lost}/predictions.npz"):
        stages.exported_student(CONFIG, experiment)
