"""The user's own command in two processes, and gone on with in one."""

import json
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

RECIPE = ("--smoke", "teachers=[{model: {name: resnet18}}]", "face.size=32")


def start(folder, environment, *arguments):
    records = folder / "records"
    return subprocess.Popen(
        [sys.executable, "-m", "fer_tf.cli", *arguments, f"data.data_dir={records}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder, environments, *arguments):
    process = start(folder, *environments(1), *arguments)
    said, _ = process.communicate()
    return process.returncode, said


@pytest.fixture(scope="module")
def trained(tmp_path_factory, environments):
    """The folder of a teacher that two processes have trained."""
    folder = tmp_path_factory.mktemp("two")
    manifest = "runs/quickstart-smoke/manifest.csv"
    for command in (
        ("data", "build", "drawn_faces", *RECIPE),
        ("data", "clean", "drawn_faces", "--out", manifest, *RECIPE),
    ):
        code, said = run(folder, environments, *command)
        assert code == 0, said
    processes = [
        start(folder, environment, "train", "--stage", "teachers", *RECIPE)
        for environment in environments(2)
    ]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    return folder


def test_one_of_them_writes(trained):
    teacher = trained / "runs" / "quickstart-smoke" / "teachers" / "resnet18"
    record = json.loads((teacher / "train.json").read_text())
    assert record["done"]
    assert record["settings"]["replicas"] == 2
    assert (teacher / "predictions.npz").exists()
    assert len(list(teacher.glob("events.*"))) == 1
    assert len((teacher / "train.log").read_text().splitlines()) == 1


def test_one_process_does_not_go_on_unless_told(trained, environments):
    command = ("train", "--stage", "teachers", *RECIPE)
    code, said = run(trained, environments, *command)
    assert code == 2
    assert re.search(r"replicas\b.*\b2\b.*\b1\b", " ".join(said.split()))
    assert "Traceback" not in said
    code, said = run(trained, environments, *command, "--accept-changes")
    assert code == 0, said
    teacher = trained / "runs" / "quickstart-smoke" / "teachers" / "resnet18"
    record = json.loads((teacher / "train.json").read_text())
    (change,) = record["accepted_changes"]
    assert re.search(r"replicas\b.*\b2\b.*\b1\b", change)


def test_the_whole_way_is_one_process_alone(trained, environments):
    process = start(trained, environments(2)[0], "run", *RECIPE)
    said, _ = process.communicate()
    assert process.returncode == 2
    assert "TF_CONFIG" in said and "Traceback" not in said
