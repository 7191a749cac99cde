"""Files are compared with the records of the stages that wrote them."""

import pytest

from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.experiment import Step
from fer_tf.experiment import StepRecord
from fer_tf.experiment import verify


def write(path, text="content"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def finished(record, inputs, outputs):
    """Write a record of a stage that has read `inputs` and written `outputs`."""
    step = Step(record, {}, inputs)
    step.is_done()
    for path in outputs:
        write(path, f"{path.name} of {record.name}")
    step.finish(outputs)


@pytest.fixture
def run(tmp_path):
    """A student whose stages have all finished, with a word in each file."""
    experiment = Experiment(tmp_path / "demo")
    run = experiment.student("ce")
    manifest = write(experiment.manifest)
    finished(run.asked, [manifest], [run.weights, run.training])
    finished(run.answered, [manifest, run.weights], [run.predictions])
    finished(run.calibrated, [run.predictions], [run.calibration])
    finished(run.evaluated, [run.predictions, run.calibration], [run.metrics])
    return run


FILES = ("weights", "training", "predictions", "calibration", "metrics")


def test_files_as_they_were_written_pass(run):
    verify([getattr(run, name) for name in FILES])


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named_with_its_record_and_command(run, name):
    path = getattr(run, name)
    flip(path)
    with pytest.raises(UserError) as raised:
        verify([path])
    message = str(raised.value)
    records = {"weights": run.asked, "training": run.asked}
    records |= {"predictions": run.answered, "calibration": run.calibrated}
    record = records.get(name, run.evaluated)
    assert str(path) in message and str(record) in message and "fer-tf " in message


@pytest.mark.parametrize("name", ["weights", "predictions", "calibration"])
def test_what_was_made_from_a_changed_file_is_stale(run, name):
    path = getattr(run, name)
    flip(path)
    with pytest.raises(UserError) as raised:
        verify([run.metrics])
    assert str(path) in str(raised.value)


def test_a_model_that_was_trained_again_makes_its_metrics_stale(run):
    """The weights are as their own record says, and were never evaluated."""
    run.asked.unlink()
    finished(run.asked, [], [run.weights, run.training])
    write(run.weights, "trained again")
    step = Step(run.asked, {})
    step.finish([run.weights, run.training])
    verify([run.weights])
    with pytest.raises(UserError) as raised:
        verify([run.metrics])
    assert str(run.weights) in str(raised.value)
    assert str(run.answered) in str(raised.value)


def test_files_of_a_stage_that_has_not_finished_are_refused(run):
    run.asked.unlink()
    Step(run.asked, {}).is_done()
    with pytest.raises(UserError) as raised:
        verify([run.weights])
    assert str(run.asked) in str(raised.value)
    assert "fer-tf train --stage student" in str(raised.value)


def test_files_that_nothing_recorded_and_missing_ones_pass(tmp_path):
    run = RunFolder(tmp_path / "student-ce")
    verify([write(run.weights), run.metrics])


def test_weights_that_were_deleted_after_predicting_pass(run):
    run.weights.unlink()
    verify([run.metrics])


def test_a_step_verifies_its_inputs_before_it_leaves_a_trace(run, tmp_path):
    flip(run.weights)
    record = tmp_path / "steps" / "export.json"
    with pytest.raises(UserError) as raised:
        Step(record, {}, [run.weights])
    assert str(run.weights) in str(raised.value)
    assert not record.parent.exists()


@pytest.mark.parametrize("name", ["weights", "metrics"])
def test_a_step_is_not_done_when_its_outputs_have_changed(run, name):
    path, record = getattr(run, name), {"weights": run.asked, "metrics": run.evaluated}
    before = StepRecord.load(record[name])
    inputs = [run.path.parent / each for each in before.inputs]
    if name == "weights":
        inputs = [run.path.parent / "manifest.csv"]
    assert Step(record[name], {}, inputs).is_done()
    flip(path)
    with pytest.raises(UserError) as raised:
        Step(record[name], {}, inputs).is_done()
    assert str(path) in str(raised.value)


def test_a_run_reached_by_a_relative_path_is_verified(run, monkeypatch):
    flip(run.predictions)
    monkeypatch.chdir(run.path)
    with pytest.raises(UserError):
        verify([RunFolder(run.path.relative_to(run.path)).metrics])


def test_predictions_that_were_taken_from_elsewhere_have_one_record(tmp_path):
    """`soft_labels/answers.json` lists a file of the same name for every model."""
    experiment = Experiment(tmp_path / "demo")
    runs = [experiment.fused, experiment.teacher("a"), experiment.teacher("b")]
    finished(experiment.fused.stored, [], [run.predictions for run in runs])
    write(runs[1].predictions, "other")
    step = Step(experiment.fused.stored, {})
    step.finish([run.predictions for run in runs])
    verify([run.predictions for run in runs])
    for run in runs:
        flip(run.predictions)
        with pytest.raises(UserError) as raised:
            verify([run.predictions])
        assert str(run.predictions) in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [[], {"settings": 3}, {"inputs": [1]}, {"outputs": "x"}, {"accepted_changes": 1}],
)
def test_what_is_no_record_is_named(tmp_path, content):
    path = tmp_path / "train.json"
    files.write_json(path, content)
    with pytest.raises(UserError) as raised:
        StepRecord.load(path)
    assert str(path) in str(raised.value)
