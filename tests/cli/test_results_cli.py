import shutil

import pytest
from click.testing import CliRunner

from fer_tf import files
from fer_tf.cli.main import main
from fer_tf.evaluation.markdown import BEGIN
from fer_tf.evaluation.markdown import END
from fer_tf.experiment import Experiment


@pytest.fixture(scope="module")
def finished(tmp_path_factory, answer):
    """A folder of runs with one experiment, `demo`, evaluated; only to be read."""
    runs = tmp_path_factory.mktemp("runs")
    experiment = Experiment(runs / "demo")
    for stage, skill in {"ce": 1.2, "kd": 3.0}.items():
        predictions = answer(f"student-{stage}", skill=skill)
        predictions.save(experiment.student(stage).predictions)
    for command in ("calibrate", "evaluate"):
        options = ["experiment=demo", "--runs", str(runs)]
        done = CliRunner().invoke(main, [command, *options])
        assert done.exit_code == 0, done.output
    return runs


@pytest.fixture
def evaluated(finished, tmp_path):
    """The experiment `runs/demo` of that folder, to be changed."""
    shutil.copytree(finished, tmp_path / "runs")
    return Experiment(tmp_path / "runs" / "demo")


def test_help_has_an_example(call):
    result = call("results", "--help")
    assert result.exit_code == 0
    assert "fer-tf results " in result.output


def test_results_fill_a_readme_and_do_so_again(call, evaluated, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{BEGIN}\n{END}\n\nThe rest.\n")
    command = ["results", "runs/demo", "--into", "README.md"]
    result = call(*command, "--out", "results.json")
    assert result.exit_code == 0, result.output
    assert result.stdout == "README.md\n"
    text = readme.read_text()
    assert text.startswith(f"# Title\n\n{BEGIN}\n\n### `demo`\n")
    assert text.endswith(f"</details>\n\n{END}\n\nThe rest.\n")
    assert "<code>fer-tf results runs/demo --into README.md</code>" in text
    metrics = files.read_json(evaluated.student("kd").metrics)
    accuracy = metrics["test"]["by_source"]["a"]["accuracy"]
    assert f"{accuracy:.3f} (" in text
    content = files.read_json(tmp_path / "results.json")
    assert content["command"] == "fer-tf results runs/demo --into README.md"
    models = content["recipes"][0]["test_sets"]["a"]["models"]
    assert models["student-kd"]["calibrated"]["accuracy"] == accuracy
    assert call(*command).exit_code == 0
    assert readme.read_text() == text


def test_results_are_printed_without_a_file(call, evaluated):
    result = call("results", "runs/demo")
    assert result.exit_code == 0
    assert result.stdout.startswith("### `demo`\n")


def test_mistakes_are_the_users_to_mend(call, evaluated, tmp_path):
    (tmp_path / "README.md").write_text("no markers")
    result = call("results", "runs/demo", "--into", "README.md")
    assert result.exit_code == 2
    assert result.output.index(BEGIN) < result.output.index(END)
    assert call("results").exit_code == 2
    assert call("results", "nowhere").exit_code == 2
    assert call("results", "runs").exit_code == 2
    evaluated.student("kd").metrics.unlink()
    result = call("results", "runs/demo")
    assert result.exit_code == 2
    assert "fer-tf evaluate --config runs/demo/config.yaml --runs runs" in result.output
