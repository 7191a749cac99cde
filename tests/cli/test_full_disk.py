"""A full disk ends a command in one line and exit code 3, and loses nothing."""

import errno
import os
import subprocess

import click
import keras
import pytest
from click.testing import CliRunner

from fer_tf import models
from fer_tf.cli import main as fer_tf
from fer_tf.cli.main import Commands
from fer_tf.config import Config
from fer_tf.errors import of_full_disk
from fer_tf.models import weights
from fer_tf.predictions import Predictions


class ResourceExhaustedError(Exception):
    """Stands in for TensorFlow's, which is an exception of its own without `errno`."""


FULL = os.strerror(errno.ENOSPC)
# As they were raised on a disk that was full.
SEEN = {
    "python": OSError(errno.ENOSPC, FULL, "/disk/a.csv"),
    "numpy's zip": OSError(errno.ENOSPC, FULL),
    "numpy": OSError("1000000 requested and 76784 written"),
    "h5py": OSError(
        errno.ENOSPC,
        "Can't synchronously write data (file write failed: time = Sat Nov 28\n, "
        f"filename = '/disk/a.h5', file descriptor = 3, errno = 28, error message = "
        f"'{FULL}', buf = 0x7fb9962a7c48, total write size = 1390664)",
    ),
    "h5py closes": RuntimeError(
        "Can't decrement id ref count (file write failed: time = Sat Nov 28\n, "
        f"filename = '/disk/a.h5', errno = 28, error message = '{FULL}')"
    ),
    "checkpoint": ResourceExhaustedError(
        "{{function_node __wrapped__SaveV2_dtypes_4_device_/job:localhost/replica:0}} "
        f"/disk/c/ckpt-1_temp/part-0.data; {FULL} [Op:SaveV2]"
    ),
    "events": ResourceExhaustedError(
        f"/disk/e/events.out.tfevents.1; {FULL}\n\tFailed to flush 11 events to "
        "/disk/e/events.out.tfevents.1\n\tCould not flush events file."
    ),
    "tfds": RuntimeError(
        'ResourceExhaustedError: Failed to finalize writing of split "train": '
        f"/disk/r/a.tfrecord-00000-of-00001; {FULL}"
    ),
    "quota": OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/disk/a.csv"),
    "limit": OSError(errno.EFBIG, os.strerror(errno.EFBIG), "/disk/a.csv"),
}


def call(work):
    """Run a command that does `work` as `fer-tf` runs its commands."""

    @click.command()
    def write():
        work()

    group = Commands("fer-tf", commands={"write": write})
    group.get_command = lambda ctx, name: write
    return CliRunner().invoke(group, ["write"])


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize("seen", SEEN)
def test_every_library_says_it_in_one_line(seen):
    found = call(raising(SEEN[seen]))
    assert isinstance(found.exception, SystemExit) and found.exit_code == 3
    (line,) = found.output.splitlines()
    assert line.startswith("error: ")
    if "/disk/" in str(SEEN[seen]):
        assert "/disk/" in line


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("OOM when allocating tensor with shape [8192,8192]"),
        OSError("Unable to open file"),
        KeyError("a"),
    ],
)
def test_what_is_no_full_disk_keeps_its_stack_trace(error):
    assert of_full_disk(error) is None
    assert call(raising(error)).exception is error


class Disk:
    """A small file system in memory."""

    def __init__(self, folder):
        self.folder = folder
        self.size_kb = 64
        self._mount(f"size={self.size_kb}k", "-t", "tmpfs", "tmpfs")

    def _mount(self, options, *more):
        command = ["mount", *more, "-o", options, str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)

    def grow(self, size_kb=None):
        self.size_kb = size_kb or self.size_kb * 4 // 3
        self._mount(f"remount,size={self.size_kb}k")

    def close(self):
        # TensorFlow holds its event files open.
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        disk = Disk(folder)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system can only be mounted by root, on Linux")
    yield disk
    disk.close()


def test_weights_that_do_not_fit_leave_those_before(disk):
    """HDF5 itself would crash the process, when it closes the file at the end."""
    path = disk.folder / "best.weights.h5"
    model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(20)])
    disk.grow(256)
    weights.save(model, path)
    before = path.read_bytes()
    larger = keras.Sequential([keras.Input((100,)), keras.layers.Dense(1000)])
    found = call(lambda: weights.save(larger, path))
    assert found.exit_code == 3 and str(path) in found.output
    assert path.read_bytes() == before and [*disk.folder.iterdir()] == [path]


@pytest.mark.parametrize("layers", [1, 40])
def test_the_space_that_is_reserved_suffices(tmp_path, layers):
    dense = [
        each
        for _ in range(layers)
        for each in (keras.layers.Dense(3), keras.layers.BatchNormalization())
    ]
    inner = keras.Sequential([keras.Input((3,)), *dense])
    image = keras.Input((3,))
    model = keras.Model(image, keras.layers.Dropout(0.5)(inner(image)))
    path = tmp_path / "best.weights.h5"
    weights.save(model, path)
    assert path.stat().st_size <= weights._size_of(model)


def tiny(side, imagenet=False):
    image = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(image)
    x = keras.layers.Conv2D(8, 5, strides=4, use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


def run(folder):
    command = [
        *("run", "--smoke", "--runs", str(folder / "runs")),
        f"data.data_dir={folder / 'records'}",
    ]
    return CliRunner().invoke(fer_tf, command)


def results(folder):
    """Return the predictions of every model of an experiment."""
    root = folder / "runs" / f"{Config.experiment}-smoke"
    return {
        path.relative_to(root): Predictions.load(path)
        for path in root.rglob("predictions.npz")
    }


@pytest.mark.slow
def test_a_run_on_a_disk_that_grows_ends_as_one_on_a_large_disk(
    disk, tmp_path, monkeypatch
):
    """Each time the disk is full the same command goes on, and nothing is lost."""
    monkeypatch.setitem(models.MODELS, "resnet18", tiny)
    monkeypatch.chdir(tmp_path)
    failures = 0
    while (found := run(disk.folder)).exit_code:
        assert isinstance(found.exception, SystemExit), found.exception
        assert found.exit_code == 3, found.output
        last = found.output.rstrip().splitlines()[-1]
        assert last.startswith("error: ") and str(disk.folder) in last
        failures += 1
        disk.grow()
    assert failures > 5
    assert run(tmp_path).exit_code == 0
    expected, received = results(tmp_path), results(disk.folder)
    assert expected.keys() == received.keys() and len(expected) > 3
    for name, whole in expected.items():
        for split in whole.splits:
            one, other = whole.split(split), received[name].split(split)
            assert one.logits.tobytes() == other.logits.tobytes(), (name, split)
