"""The walls of the house: who may import whom, and what runs without TensorFlow."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fer_tf.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
HEAVY = ("tensorflow", "keras", "keras_cv", "tensorflow_datasets", "pandas", "scipy")
# Run in a process in which what `[train]` installs cannot be imported.
WITHOUT = f"""
import sys
for name in {HEAVY + ("sklearn", "matplotlib", "jinja2")!r}:
    sys.modules[name] = None
from fer_tf.cli import main
main()
"""
# A room's name, or a file's, that says nothing of what is in it.
NAMELESS = {"utils", "util", "common", "helpers", "misc"}
FORBIDDEN_CALLS = {"eval", "exec"}


def without_training(*arguments):
    """Run `fer-tf` where nothing of `[train]` can be imported."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100", "PYTHONPATH": str(ROOT)},
    )


def sources():
    return sorted(
        path
        for room in ("fer_tf", "tfds_builders", "export")
        for path in (ROOT / room).rglob("*.py")
    )


def test_floors_and_walls_stand():
    pytest.importorskip("importlinter")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_runs_without_tensorflow():
    done = without_training("--help")
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        *([name] for name in sorted(COMMANDS)),
        *(["data", name] for name in ("build", "clean", "stats", "validate")),
    ],
    ids=" ".join,
)
def test_every_command_has_help_with_an_example(command):
    done = without_training(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"fer-tf {' '.join(command)}" in done.stdout


def test_importing_the_package_is_cheap():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import fer_tf, sys; print(sorted(set(sys.modules) & {'numpy', 'cv2'}))",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.name))
def test_no_room_without_a_name_and_no_forbidden_call(path):
    assert path.stem not in NAMELESS
    assert path.parent.name not in NAMELESS
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & {"pickle", "dill"}
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in line {node.lineno}"
        assert not isinstance(node, ast.Assert), f"assert in line {node.lineno}"
        if isinstance(node, ast.keyword):
            wrong = {"shell", "allow_pickle"}
            is_true = getattr(node.value, "value", None) is True
            assert not (node.arg in wrong and is_true)


def test_keras_cv_stays_in_its_rooms():
    """It is no longer developed: only models and augmentation may lean on it."""
    allowed = {ROOT / "fer_tf" / "data" / "augment.py"}
    for path in sources():
        if path.parent != ROOT / "fer_tf" / "models" and path not in allowed:
            text = path.read_text()
            assert "import keras_cv" not in text and "from keras_cv" not in text, path


def test_one_place_picks_the_interpreter():
    users = [
        path
        for path in sources()
        if "ai_edge_litert" in path.read_text() or "tflite_runtime" in path.read_text()
    ]
    assert users == [ROOT / "fer_tf" / "runtime" / "interpreter.py"]
