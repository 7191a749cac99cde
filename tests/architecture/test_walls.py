"""The walls of the house: who may import whom, and what runs without TensorFlow."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fer_tf.cli import main
from fer_tf.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
HEAVY = ("tensorflow", "keras", "keras_cv", "tensorflow_datasets", "pandas", "scipy")
# Run in a process in which what `[train]` installs cannot be imported.
WITHOUT = f"""
import sys
for name in {HEAVY + ("sklearn", "matplotlib", "jinja2")!r}:
    sys.modules[name] = None
from fer_tf.cli import main
"""
HELP_OF_EACH = """
import json
from click.testing import CliRunner
found = {}
for command in json.loads(sys.argv[1]):
    result = CliRunner().invoke(main, [*command.split(), "--help"])
    found[command] = [result.exit_code, result.output]
print(json.dumps(found))
"""
# A room's name, or a file's, that says nothing of what is in it.
NAMELESS = {"utils", "util", "common", "helpers", "misc"}
FORBIDDEN_CALLS = {"eval", "exec"}


def without_training(program, *arguments):
    """Run a program where nothing of `[train]` can be imported."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + program, *arguments],
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
    done = without_training("main()", "--help")
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert f"  {command} " in done.stdout


def test_every_command_has_help_with_an_example():
    """In one process, where nothing of `[train]` can be imported."""
    commands = [*commands_of(main)]
    assert {*COMMANDS, "data build", "data clean"} < {*commands}
    done = without_training(HELP_OF_EACH, json.dumps(commands))
    assert done.returncode == 0, done.stderr
    lacking = {
        command: output
        for command, (code, output) in json.loads(done.stdout).items()
        if code != 0 or f"fer-tf {command}" not in output.split("Options:")[0]
    }
    assert not lacking


def commands_of(group, prefix=""):
    """Yield the names of a group's commands and of its groups' commands."""
    context = click.Context(group)
    for name in group.list_commands(context):
        yield prefix + name
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{name} ")


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


def test_no_file_has_an_empty_name():
    named = {path for path in sources() if {path.stem, path.parent.name} & NAMELESS}
    assert not named


def test_nothing_dangerous_is_called():
    """All offenders are listed, by file and line."""
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if is_dangerous(node)
    ]
    assert not offenders


def is_dangerous(node):
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name in FORBIDDEN_CALLS
        case ast.Import(names=aliases):
            return bool({alias.name for alias in aliases} & {"pickle", "dill"})
        case ast.ImportFrom(module=module):
            return module in {"pickle", "dill"}
        case ast.ExceptHandler(type=None) | ast.Assert():
            return True
        case ast.keyword(arg="shell" | "allow_pickle", value=ast.Constant(value=True)):
            return True
    return False


@pytest.mark.parametrize(
    "line",
    [
        "eval('1')",
        "exec('1')",
        "import pickle",
        "from dill import loads",
        "try:\n    pass\nexcept:\n    pass",
        "assert 1",
        "run('ls', shell=True)",
        "np.load('a', allow_pickle=True)",
    ],
)
def test_what_is_dangerous_is_found(line):
    assert any(is_dangerous(node) for node in ast.walk(ast.parse(line)))
    harmless = "run('ls', shell=False)\nmodel.eval()\nimport json"
    assert not any(is_dangerous(node) for node in ast.walk(ast.parse(harmless)))


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
