"""Files written whole or not at all, and known by their SHA-256."""

import errno
import hashlib
import json
import os
import stat

import pytest

from fer_tf import files
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError


def test_what_is_written_is_read(tmp_path):
    files.write_json(tmp_path / "deep" / "a.json", {"é": [1, 2.5, None]})
    assert files.read_json(tmp_path / "deep" / "a.json") == {"é": [1, 2.5, None]}


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="asks a descriptor what it is open for")
def test_what_is_flushed_is_open_for_writing(tmp_path, monkeypatch):
    """Windows flushes nothing else: every file that is written would be refused."""
    import fcntl

    flushed = []
    monkeypatch.setattr(
        files.os, "fsync", lambda fd: flushed.append(fcntl.fcntl(fd, fcntl.F_GETFL))
    )
    files.write_text(tmp_path / "a.txt", "x")
    (flags,) = flushed
    assert flags & os.O_ACCMODE != os.O_RDONLY


def test_a_new_file_can_be_read_by_others(tmp_path):
    """As any new file; a temporary one is private."""
    (tmp_path / "plain").touch()
    files.write_text(tmp_path / "a.txt", "x")
    modes = {stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("plain", "a.txt")}
    assert len(modes) == 1


def test_no_number_is_written_that_json_does_not_have(tmp_path):
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", ["{", "\x80", "NaN", "[1e999]", "[" * 100_000, "1" * 5000, ""]
)
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match="a.json"):
        files.read_json(tmp_path / "a.json")


def test_every_flipped_bit_of_a_json_file_is_found_or_changes_nothing(tmp_path):
    path, value = tmp_path / "a.json", {"b": 1.5, "a": [True, None, "x"], "c": {}}
    files.write_json(path, value)
    whole = path.read_bytes()
    found = 0
    for bit in range(0, 8 * len(whole), 5):
        path.write_bytes(flipped(whole, bit))
        try:
            content = files.read_json(path)
        except UserError as error:
            assert str(path) in str(error)
            found += 1
        else:
            # Of white space.
            assert content == value
    assert found > 0.7 * 8 * len(whole) / 5


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_an_edited_json_file_is_accepted_without_its_digest(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"a": 1})
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "a": 2}))
    with pytest.raises(UserError):
        files.read_json(path)
    path.write_text(json.dumps({"a": 2}))
    assert files.read_json(path) == {"a": 2}


@pytest.mark.parametrize("error", [*files.DAMAGED, UnicodeError, RecursionError])
def test_what_a_damaged_file_raises_becomes_the_users(tmp_path, error):
    with pytest.raises(UserError, match="a.x"), files.reading(
        tmp_path / "a.x", "a thing", "Do it."
    ):
        raise error("no")


def test_reading_tells_the_disk_from_the_file(tmp_path):
    with pytest.raises(OutsideError), files.reading(tmp_path, "a thing", "Do it."):
        raise OSError(errno.EIO, "I/O error")
    # As h5py does where the content is damaged.
    with pytest.raises(UserError), files.reading(tmp_path, "a thing", "Do it."):
        raise OSError("no file signature")
    with pytest.raises(UserError), files.reading(tmp_path, "a file", "Do it."):
        (tmp_path).read_bytes()


def test_digests_are_those_of_hashlib(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert files.digest_of({"a": 1, "b": 2}) == files.digest_of({"b": 2, "a": 1})
    assert files.digest_of({"a": 1}) != files.digest_of({"a": 2})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(UserError) as refused:
        files.read_json(tmp_path / "a.json")
    assert str(tmp_path / "a.json") in str(refused.value)
