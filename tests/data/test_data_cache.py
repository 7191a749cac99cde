"""Crops on disk: what is read is what was written, whole or not at all."""

import re
import subprocess
import sys

import numpy as np
import pytest

from fer_tf.data import cache
from fer_tf.data.crops import crop_of
from fer_tf.errors import OutsideError

SIZE = 16
SHAPES = [(20, 24, 3), (16, 16), (1, 9, 3), (60, 40), (33, 33, 3)]


def made(seed=0):
    rng = np.random.default_rng(seed)
    return [crop_of(rng.integers(0, 256, s, np.uint8), (), SIZE) for s in SHAPES]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "crops" / "abc"


def write(folder, crops):
    """Write them last first: their order in the file is not that of their rows."""
    return cache.write(folder, reversed([*enumerate(crops)]), len(crops))


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.plain, other.plain)
        assert one.square_xywh_px == other.square_xywh_px


def test_what_is_found_is_what_was_written(folder):
    same(write(folder, made()), made())
    same(cache.find(folder, len(SHAPES)), made())
    assert [path.name for path in folder.parent.iterdir()] == ["abc"]


def test_some_of_them_can_be_taken_and_of_these_some(folder):
    crops = write(folder, made()).take(np.array([4, 2, 0]))
    same(crops, [made()[row] for row in (4, 2, 0)])
    same(crops.take(np.array([1])), [made()[2]])


def test_they_are_mapped_and_cannot_be_written_to(folder):
    crop = write(folder, made())[0]
    base = crop.pixels
    while getattr(base, "base", None) is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        crop.pixels[0, 0] = 1


def test_what_is_not_there_is_not_found(folder):
    assert cache.find(folder, 5) is None
    write(folder, made())
    assert cache.find(folder, 4) is None


@pytest.mark.parametrize("name", [*cache.FILES, cache.INDEX])
@pytest.mark.parametrize("length", [0, 3, -2])
def test_a_damaged_folder_is_not_found_and_made_anew(folder, name, length):
    write(folder, made())
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:length])
    assert cache.find(folder, len(SHAPES)) is None
    same(write(folder, made()), made())
    assert [path.name for path in folder.parent.iterdir()] == ["abc"]


@pytest.mark.parametrize("name", [*cache.FILES, cache.INDEX])
def test_no_flipped_bit_changes_a_crop(folder, name, caplog):
    whole = write(folder, made())
    content = (folder / name).read_bytes()
    lost = 0
    for bit in range(0, 8 * len(content), 8 * len(content) // 20):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        (folder / name).write_bytes(changed)
        caplog.clear()
        found = cache.find(folder, len(SHAPES))
        if found is None:
            lost += 1
            assert [each.levelname for each in caplog.records] == ["WARNING"]
            assert str(folder) in caplog.text
        else:
            # Of white space in the index.
            same(found, whole)
    assert lost > 10 if name == cache.INDEX else lost >= 20


def test_a_folder_of_an_earlier_version_is_made_again(folder):
    write(folder, made())
    (folder / cache.INDEX).unlink()
    assert cache.find(folder, len(SHAPES)) is None
    same(write(folder, made()), made())
    same(cache.find(folder, len(SHAPES)), made())


def test_writing_that_is_stopped_leaves_nothing(folder):
    def dying():
        yield 0, made()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.write(folder, dying(), 5)
    assert not any(folder.parent.iterdir())


def test_a_process_killed_while_writing_leaves_nothing_that_is_found(folder):
    program = """
import os, signal, sys
from pathlib import Path
import numpy as np
from fer_tf.data import cache
from fer_tf.data.crops import crop_of
def crops():
    for row in range(3):
        yield row, crop_of(np.zeros((20, 20), np.uint8), (), 16)
    os.kill(os.getpid(), signal.SIGKILL)
cache.write(Path(sys.argv[1]), crops(), 5)
"""
    done = subprocess.run([sys.executable, "-c", program, folder])
    assert done.returncode == -9
    assert cache.find(folder, 5) is None
    same(write(folder, made()), made())


def test_a_missing_row_is_reported(folder):
    with pytest.raises(ValueError, match=r"\b3\b"):
        cache.write(folder, [*enumerate(made())][:3], 5)
    assert not folder.exists()


def test_whoever_is_second_takes_what_the_first_has_written(folder):
    def slower():
        yield from enumerate(made())
        write(folder, made())

    same(cache.write(folder, slower(), len(SHAPES)), made())


def test_a_disk_that_cannot_be_written_to_is_reported(tmp_path):
    (tmp_path / "crops").write_text("not a folder")
    with pytest.raises(OutsideError, match=re.escape(str(tmp_path / "crops"))):
        write(tmp_path / "crops" / "abc", made())
