"""Who writes a folder has it alone, in any process; a dead process has nothing."""

import errno
import json
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fer_tf import write_lock
from fer_tf.errors import OutsideError

ROOT = Path(__file__).parents[1]
HOLD = """
import sys
from pathlib import Path
from fer_tf import write_lock

with write_lock.folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process, which holds `tmp_path / "out"`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_another_process_is_named_and_its_death_frees_the_folder(tmp_path, other):
    out = tmp_path / "out"
    with pytest.raises(OutsideError) as refused, write_lock.folder(out):
        pass
    for told in (str(out), f"process {other.pid} ", platform.node()):
        assert told in str(refused.value)
    other.kill()
    other.wait()
    # The lock file is still there, and is no lock any more.
    assert (out / write_lock.FILE_NAME).exists()
    with write_lock.folder(out):
        signature = json.loads((out / write_lock.FILE_NAME).read_bytes()[1:])
        assert signature["pid"] == os.getpid()
    assert list(out.iterdir()) == []


def test_another_process_is_waited_for_while_it_ends(tmp_path, other, monkeypatch):
    monkeypatch.setattr(write_lock, "WAIT_S", 30)
    threading.Timer(0.1, other.stdin.close).start()
    with write_lock.folder(tmp_path / "out"):
        pass


@pytest.mark.parametrize("lock", [write_lock.folder, write_lock.file])
def test_a_path_is_locked_once_in_a_process_too(tmp_path, lock):
    out = tmp_path / "a" / "out"
    with lock(out):
        with pytest.raises(OutsideError), lock(out):
            pass
        # What was refused took nothing away.
        with pytest.raises(OutsideError), lock(out):
            pass
    with lock(out):
        pass


def test_neighbours_are_locked_apart(tmp_path):
    with (
        write_lock.file(tmp_path / "a.csv"),
        write_lock.file(tmp_path / "b.csv"),
        write_lock.folder(tmp_path),
        write_lock.folder(tmp_path / "c"),
        write_lock.file(tmp_path / "c"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_nothing_was_written_to_is_not_left(tmp_path):
    with pytest.raises(RuntimeError), write_lock.folder(tmp_path / "a" / "b"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with write_lock.folder(tmp_path / "mine"):
        (tmp_path / "mine" / "x").touch()
    with write_lock.file(tmp_path / "new" / "x.csv"):
        (tmp_path / "new" / "x.csv").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "new"]


def test_no_two_threads_are_inside_at_once(tmp_path):
    inside, most, entered = [0], [0], [0]
    guard = threading.Lock()

    def work():
        for _ in range(20):
            try:
                with write_lock.folder(tmp_path / "out"):
                    with guard:
                        inside[0] += 1
                        entered[0] += 1
                        most[0] = max(most[0], inside[0])
                    with guard:
                        inside[0] -= 1
            except OutsideError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert entered[0] >= 20


def test_no_argument_is_told_since_it_may_hold_a_password(tmp_path, monkeypatch):
    source = "rtsp://me:secret@camera/1"
    monkeypatch.setattr(sys, "argv", ["/bin/fer-tf", "live", "--source", source])
    with write_lock.folder(tmp_path):
        told = (tmp_path / write_lock.FILE_NAME).read_text()
        assert "secret" not in told
        assert json.loads(told[1:])["command"] == "fer-tf live"


@pytest.mark.parametrize("content", [b"", b"\0", b"\0{", b"\0[]", b"\0{}", b"\xff"])
def test_a_lock_file_that_says_nothing_is_still_a_lock(tmp_path, content):
    with write_lock.folder(tmp_path):
        (tmp_path / write_lock.FILE_NAME).write_bytes(content)
        with pytest.raises(OutsideError, match="another process"):
            with write_lock.folder(tmp_path):
                pass


def test_a_file_in_the_folders_place_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").touch()
    for lock in (
        write_lock.folder(tmp_path / "file"),
        write_lock.file(tmp_path / "file" / "x.csv"),
    ):
        with pytest.raises(OSError), lock:
            pass
    assert (tmp_path / "file").exists()


@pytest.mark.skipif(os.name != "posix", reason="`flock` is POSIX")
def test_a_file_system_without_locks_gets_no_soft_lock(tmp_path, monkeypatch, caplog):
    """A soft lock is a file, which a killed process would leave locked."""
    import fcntl

    def flock(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    with write_lock.folder(tmp_path / "out"), write_lock.folder(tmp_path / "out"):
        pass
    assert len(caplog.records) == 2


@pytest.mark.skipif(os.name != "posix", reason="`flock` is POSIX")
def test_a_fault_of_locking_names_the_target(tmp_path, monkeypatch):
    import fcntl

    def flock(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError) as refused, write_lock.file(tmp_path / "faces.csv"):
        pass
    assert refused.value.errno == errno.EIO
    assert refused.value.filename == str(tmp_path / "faces.csv")
