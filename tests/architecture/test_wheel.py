"""The wheel, used from another folder: all that is read at run time is in it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("fer_tf", "tfds_builders", "export")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A folder with the wheel's content."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    copy.mkdir()
    for name in PACKAGES:
        shutil.copytree(
            ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, copy],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_every_file_that_is_read_at_run_time_is_in_it(unpacked):
    """Compared with the checkout: no list that somebody has to remember."""
    expected = data_files(ROOT)
    assert "fer_tf/assets/student/model.tflite" in expected
    assert data_files(unpacked) == expected


def data_files(folder):
    return {
        path.relative_to(folder).as_posix()
        for package in PACKAGES
        for path in (folder / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }


def test_nothing_else_is(unpacked):
    names = {path.name for path in unpacked.iterdir() if path.suffix != ".dist-info"}
    assert names == {*PACKAGES}


def test_it_builds_a_corpus_from_another_folder(unpacked, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "fer_tf.cli",
            "data",
            "build",
            "drawn_faces",
            "data.drawn_count=35",
            "--data-dir",
            "records",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "records" / "drawn_faces" / "n35_seed0").is_dir()
