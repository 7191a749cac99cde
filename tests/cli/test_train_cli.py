"""Which stages run, and `--pictures`: faces are shown only where it is asked for."""

import importlib

import pytest
from click.testing import CliRunner

from fer_tf import files
from fer_tf.cli import main

COMMANDS = [
    ("train", "--stage", "teachers"),
    ("train", "--stage", "student"),
    ("distill", "--loss", "kd"),
    ("run",),
]


@pytest.fixture
def given(monkeypatch):
    """What each stage is given for `pictures`, in place of being trained."""
    noted = []
    train = importlib.import_module("fer_tf.cli.train")
    run = importlib.import_module("fer_tf.cli.run")
    for name in ("train_teacher", "train_student", "distill_student"):
        monkeypatch.setattr(train, name, lambda *given: noted.append(given[-1]))
    whole = run._steps

    def only_training(*given):
        steps = whole(*given)
        return [step for step in steps if step[0].startswith(("Train", "Distil"))]

    monkeypatch.setattr(run, "_steps", only_training)
    return noted


@pytest.mark.parametrize("flag", [(), ("--pictures",)], ids=["without", "with"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_pictures_are_shown_only_where_asked_for(command, flag, given, tmp_path):
    found = CliRunner().invoke(main, [*command, *flag, "--runs", str(tmp_path)])
    assert found.exit_code == 0, found.output
    assert given == [bool(flag)] * (4 if command == ("run",) else 1)


def test_with_soft_labels_brought_along_no_teacher_is_trained(given, tmp_path):
    command = ["run", "--runs", str(tmp_path), "soft_labels.stored=brought"]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 0, found.output
    assert len(given) == 3
    assert "teacher" not in found.output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_mistake_in_a_name_leaves_nothing_behind(command, given, tmp_path):
    wrong = [*command, "--runs", str(tmp_path), "student.model.name=resnet81"]
    found = CliRunner().invoke(main, wrong)
    assert found.exit_code == 2 and "'resnet18'" in found.output
    assert not list(tmp_path.iterdir())


def test_a_face_too_small_leaves_nothing_behind(given, tmp_path):
    asked = ["face.size=24", "student.model.name=mobilenetv3_large"]
    command = ["train", "--stage", "student", "--runs", str(tmp_path), *asked]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 2
    assert "mobilenetv3_large" in found.output and "24" in found.output
    assert not list(tmp_path.iterdir())


def test_the_recipe_is_the_one_that_training_began_with(given, tmp_path, caplog):
    """What was asked for and mended before says nothing of any model."""
    command = ["train", "--stage", "student", "--runs", str(tmp_path)]
    recipe = tmp_path / "quickstart" / "config.yaml"
    for seed in (5, 6):
        CliRunner().invoke(main, [*command, f"seed={seed}"])
        assert f"seed: {seed}" in recipe.read_text()
    files.write_json(tmp_path / "quickstart" / "student-ce" / "train.json", {})
    CliRunner().invoke(main, [*command, "seed=7"])
    assert "seed: 6" in recipe.read_text()
    assert str(recipe.parent) in caplog.text and "config.yaml" in caplog.text


def test_an_override_may_be_longer_than_a_files_name(given, tmp_path):
    models = ", ".join(
        f"{{model: {{name: {name}}}, train: {{epochs: 20, learning_rate: 3.0e-3}}}}"
        for name in ("resnet18", "efficientnet_b3", "convnext_tiny")
    )
    found = CliRunner().invoke(
        main, ["train", "--stage", "teachers", "--dry-run", f"teachers=[{models}]"]
    )
    assert found.exit_code == 0 and "convnext_tiny" in found.output


@pytest.mark.parametrize("command", ["train", "distill", "run"])
def test_the_help_says_why(command):
    found = CliRunner().invoke(main, [command, "--help"])
    assert "personal data" in " ".join(found.output.split())
