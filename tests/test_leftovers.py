"""Temporary files of killed processes are removed, those of living ones are not."""

import os
import subprocess
import sys

import pytest

from fer_tf import files
from fer_tf import leftovers

posix = pytest.mark.skipif(os.name != "posix", reason="asks whether a process runs")


@pytest.fixture(scope="module")
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def name_of(pid, host=None, name="x.mp4"):
    own, _, _ = leftovers.prefix().removeprefix(".fer-tf-").partition("-")
    return f".fer-tf-{host or own}-{pid}-abcdefgh.{name}"


@posix
def test_what_a_dead_process_left_is_removed_by_the_next_write(tmp_path, dead_pid):
    (tmp_path / name_of(dead_pid)).write_bytes(b"half a video")
    (tmp_path / name_of(dead_pid, name="bundle")).mkdir()
    (tmp_path / name_of(dead_pid, name="bundle") / "old").write_bytes(b"")
    files.write_text(tmp_path / "a.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@posix
def test_what_may_be_in_use_stays(tmp_path, dead_pid):
    stays = [
        name_of(os.getpid()),
        name_of(1),
        name_of(dead_pid, host="00000000"),
        f".fer-tf-{dead_pid}.mp4",
        "x.mp4",
        ".hidden",
    ]
    for name in stays:
        (tmp_path / name).write_bytes(b"")
    leftovers.remove(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stays)


def test_of_another_machine_what_is_a_day_old_is_removed(tmp_path, dead_pid):
    path = tmp_path / name_of(dead_pid, host="00000000")
    path.write_bytes(b"")
    os.utime(path, (0, path.stat().st_mtime - leftovers.FOREIGN_AGE_S - 9))
    leftovers.remove(tmp_path)
    assert not path.exists()


def test_a_link_is_removed_and_not_followed(tmp_path, dead_pid):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "a").write_bytes(b"")
    (tmp_path / name_of(dead_pid)).symlink_to(kept)
    if os.name == "posix":
        leftovers.remove(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept / "a").exists()


def test_a_folder_that_is_not_there_has_none(tmp_path):
    leftovers.remove(tmp_path / "nowhere")
    assert list(leftovers.find(tmp_path / "nowhere")) == []


def test_a_temporary_file_is_told_by_its_name(tmp_path):
    with files.replacing(tmp_path / "a.mp4") as temporary:
        assert temporary.name.startswith(leftovers.prefix())
        assert temporary.suffix == ".mp4"
        # Another writer of the same process leaves it alone.
        files.write_text(tmp_path / "b.txt", "x")
        assert temporary.exists()
