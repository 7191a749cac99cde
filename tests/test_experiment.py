"""Steps: done once, refused when asked for otherwise, named when missing."""

import json
import re

import pytest

from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.experiment import Step


@pytest.fixture
def read(tmp_path):
    """A file that a step reads."""
    path = tmp_path / "in" / "manifest.csv"
    path.parent.mkdir()
    path.write_text("a")
    return path


def make(tmp_path, read, **settings):
    return Step(tmp_path / "step.json", {"size": (1, 2), **settings}, [read])


def test_a_step_is_done_only_when_it_was_finished(tmp_path, read):
    step = make(tmp_path, read)
    assert not step.is_done()
    assert not make(tmp_path, read).is_done(), "it was started, not finished"
    step.finish([read])
    assert make(tmp_path, read).is_done()


def test_its_record_says_what_it_read_and_wrote(tmp_path, read):
    step = make(tmp_path, read)
    step.is_done()
    step.finish([read])
    record = json.loads((tmp_path / "step.json").read_text())
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert record["inputs"] == record["outputs"] == {"in/manifest.csv": digest}
    assert record["environment"]["python"]


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused_and_named(tmp_path, read, finished):
    step = make(tmp_path, read, epochs=3)
    step.is_done()
    if finished:
        step.finish([])
    with pytest.raises(UserError, match=r"epochs.*\b3\b.*\b4\b"):
        make(tmp_path, read, epochs=4).is_done()


def test_a_difference_is_named_by_its_key(tmp_path, read):
    make(tmp_path, read, train={"epochs": 3, "sizes": [1, 2]}).is_done()
    with pytest.raises(UserError, match=r"train\.epochs.*\b3\b.*\b4\b"):
        make(tmp_path, read, train={"epochs": 4, "sizes": [1, 2]}).is_done()


@pytest.mark.parametrize("goes_on_in", [None, "run"])
def test_what_is_to_be_deleted_is_no_more_than_it_needs(tmp_path, read, goes_on_in):
    """Beside a model's answers lie its weights, which took hours."""
    folder = goes_on_in and tmp_path / goes_on_in
    for epochs in (3, 4):
        step = Step(
            tmp_path / "step.json", {"epochs": epochs}, [read], goes_on_in=folder
        )
        if epochs == 3:
            step.is_done()
    deleted = folder or tmp_path / "step.json"
    if folder:
        (folder / "checkpoints" / "ckpt-1").mkdir(parents=True)
    with pytest.raises(UserError, match=f"{deleted}[.]$"):
        step.is_done()


@pytest.mark.parametrize("begun", [True, False])
def test_what_left_nothing_to_go_on_from_may_be_corrected(tmp_path, read, begun):
    def step(epochs):
        settings = {"epochs": epochs}
        return Step(tmp_path / "train.json", settings, [read], goes_on_in=tmp_path)

    step(3).is_done()
    if begun:
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / "ckpt-1.index").touch()
        with pytest.raises(UserError, match=r"epochs.*\b3\b.*\b4\b"):
            step(4).is_done()
        return
    assert not step(4).is_done()
    record = json.loads((tmp_path / "train.json").read_text())
    assert record["settings"] == {"epochs": 4} and not record["accepted_changes"]


def test_a_folder_that_was_renamed_goes_on(tmp_path, read):
    step = make(tmp_path, read)
    step.is_done()
    step.finish([])
    moved = read.parent.rename(tmp_path / "renamed") / read.name
    assert make(tmp_path, moved).is_done()
    moved.write_text("b")
    with pytest.raises(UserError, match="manifest.csv"):
        make(tmp_path, moved).is_done()


@pytest.mark.parametrize("finished", [True, False])
def test_changes_that_are_accepted_are_written_down(tmp_path, read, finished):
    step = make(tmp_path, read, epochs=3)
    step.is_done()
    if finished:
        step.finish([])
    again = Step(
        tmp_path / "step.json", {"size": [1, 2], "epochs": 4}, [read], True
    )
    assert not again.is_done()
    make(tmp_path, read, epochs=4).is_done()
    again.finish([])
    record = json.loads((tmp_path / "step.json").read_text())
    assert record["done"]
    assert record["accepted_changes"] == ["epochs was 3, is 4"]
    assert make(tmp_path, read, epochs=4).is_done()


def test_another_input_is_refused(tmp_path, read):
    step = make(tmp_path, read)
    step.is_done()
    step.finish([])
    read.write_text("b")
    with pytest.raises(UserError, match="manifest.csv"):
        make(tmp_path, read).is_done()


def test_each_of_two_inputs_of_like_names_is_held(tmp_path):
    """All sources' records lie in a folder `1.0.0`."""
    paths = [tmp_path / source / "1.0.0" / "info.json" for source in ("a", "b")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    step = Step(tmp_path / "step.json", {}, paths)
    assert list(step.inputs) == ["a/1.0.0/info.json", "b/1.0.0/info.json"]
    step.is_done()
    step.finish([])
    paths[0].write_text("[]")
    with pytest.raises(UserError, match="a/1.0.0/info.json"):
        Step(tmp_path / "step.json", {}, paths).is_done()


def test_an_input_that_was_deleted_is_named(tmp_path, read):
    read.unlink()
    with pytest.raises(UserError, match=re.escape(str(read))):
        make(tmp_path, read)


def test_what_is_missing_names_its_command(tmp_path):
    experiment = Experiment(tmp_path)
    with pytest.raises(UserError, match="manifest.csv .*fer-tf data clean"):
        experiment.need(experiment.manifest, "fer-tf data clean")
