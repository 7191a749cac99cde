"""The wheel, used from another folder: all that is read at run time is in it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fer_tf.runtime.bundle import FILES
from fer_tf.runtime.bundle import MANIFEST

ROOT = Path(__file__).parents[2]
BUILDERS = sorted(path.parent.name for path in ROOT.glob("tfds_builders/*/TAGS.txt"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A folder with the wheel's content."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    copy.mkdir()
    for name in ("fer_tf", "tfds_builders", "export"):
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


@pytest.mark.parametrize(
    "name",
    [
        "fer_tf/evaluation/report.html",
        "fer_tf/evaluation/gate.yaml",
        "fer_tf/manifest/page.html",
        "fer_tf/page/base.html",
        *(f"fer_tf/assets/student/{name}" for name in (*FILES, MANIFEST)),
        "tfds_builders/rafdb/dummy_data/EmoLabel/list_patition_label.txt",
        *(
            f"tfds_builders/{builder}/{text}"
            for builder in BUILDERS
            for text in ("README.md", "CITATIONS.bib", "TAGS.txt")
        ),
    ],
)
def test_what_is_no_code_is_in_it(unpacked, name):
    assert (unpacked / name).is_file()


def test_nothing_else_is(unpacked):
    names = {path.name for path in unpacked.iterdir() if path.suffix != ".dist-info"}
    assert names == {"fer_tf", "tfds_builders", "export"}


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
