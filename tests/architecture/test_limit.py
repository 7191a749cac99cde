"""The default suite stays short: a long test that is not marked slow fails."""

import shutil
import subprocess
import sys
from pathlib import Path

TESTS = """
import time

import pytest


@pytest.fixture(scope="module")
def shared():
    time.sleep(0.3)


def test_slow_set_up(shared):
    pass


def test_unmarked():
    time.sleep(0.3)


@pytest.mark.slow
def test_marked():
    time.sleep(0.3)
"""
SETTINGS = """
[tool:pytest]
call_limit_s = 0.2
markers = slow
"""


def test_an_unmarked_test_over_the_limit_fails(tmp_path):
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    idle = "\n\ndef load():\n    return 0.0\n"
    with open(tmp_path / "conftest.py", "a") as file:
        file.write(idle)
    (tmp_path / "test_times.py").write_text(TESTS)
    (tmp_path / "setup.cfg").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    outcomes = {
        line.split("::")[1].split()[0]: line.split()[0]
        for line in done.stdout.splitlines()
        if line.startswith(("PASSED", "FAILED"))
    }
    assert outcomes == {
        "test_slow_set_up": "PASSED",
        "test_unmarked": "FAILED",
        "test_marked": "PASSED",
    }
