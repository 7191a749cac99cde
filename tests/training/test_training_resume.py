"""A run that is killed anywhere ends as one that was not."""

import itertools
import json
import random
import re
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_tf import files
from fer_tf.config import TrainConfig
from fer_tf.errors import UserError
from fer_tf.experiment import RunFolder
from fer_tf.training import loop
from fer_tf.training.average import Average
from fer_tf.training.board import Board
from fer_tf.training.checkpoints import Checkpoint
from fer_tf.training.epochs import Epochs
from fer_tf.training.schedules import adamw
from fer_tf.training.tasks import Supervised

TRAIN = TrainConfig()
STEPS = 4


class Killed(BaseException):
    """Ends a run in this process where SIGKILL would end it."""


def after(calls, function=lambda *_: None):
    """Return a function that does as `function` does `calls` times, then is killed."""
    left = itertools.count(calls, -1)

    def called(*arguments):
        if next(left) <= 0:
            raise Killed
        return function(*arguments)

    return called


def rows_of(epoch):
    rng = np.random.default_rng([9, epoch])
    label = rng.integers(0, 7, 8 * STEPS)
    target = np.eye(7, dtype=np.float32)[label]
    if epoch == 1:
        target[8:16] = np.nan
    image = rng.integers(0, 256, (len(label), 4, 4, 3)).astype(np.uint8)
    return {"image": image, "target": target, "row": np.arange(len(label))}


def epoch_of(epoch, first, share):
    rows = tf.data.Dataset.from_tensor_slices(rows_of(epoch))
    return rows.batch(8).skip(first)


def validated(model):
    score = float(np.abs(model.predict_on_batch(rows_of(99)["image"])).mean())
    return {"accuracy": score, "macro_f1": score, "nll": score, "ece": score}


def train_here(folder, clock=None, validate=validated):
    """Train in this process, saving at every step; return weights and history."""
    keras.utils.set_random_seed(5)
    tf.config.experimental.enable_op_determinism()
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(16),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.2, seed=1),
            keras.layers.Dense(7),
        ]
    )
    summary = loop.train(
        model,
        Supervised(),
        Epochs(epoch_of, STEPS, 8, list),
        validate,
        TrainConfig(epochs=3, learning_rate=0.01, ema=0.9),
        RunFolder(folder),
        Board(RunFolder(folder), "test"),
        clock=clock or itertools.count(0, 300).__next__,
    )
    for figures in summary["history"]:
        del figures["pictures_per_second"]
    return model.get_weights(), summary["history"]


def test_a_run_that_stops_anywhere_ends_as_one_that_does_not(tmp_path, monkeypatch):
    """Within an epoch, between weights and metrics, and while it is validated."""
    whole = train_here(tmp_path / "whole")
    run = tmp_path / "run"
    ticks = itertools.count(0, 300).__next__
    with pytest.raises(Killed):
        # It asks for the time at the start, and twice at a step that it saves.
        train_here(run, clock=after(4, ticks))
    saved = {path.stem for path in run.glob("checkpoints/*.index")}
    assert saved and not (run / "best.weights.h5").exists()
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(files, "write_json", after(0))
        train_here(run)
    assert (run / "best.weights.h5").exists()
    assert not (run / "training.json").exists()
    with pytest.raises(Killed):
        train_here(run, validate=after(1, validated))
    assert len(json.loads((run / "training.json").read_text())["history"]) == 2
    assert_same(train_here(run), whole)
    # A step with NaN was skipped before the run was stopped, and stays counted.
    assert [figures["skipped_steps"] for figures in whole[1]] == [0, 1, 0]


PROGRAM = """
import itertools
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from fer_tf import files
from fer_tf.config import TrainConfig
from fer_tf.experiment import RunFolder
from fer_tf.training import loop
from fer_tf.training.board import Board
from fer_tf.training.epochs import Epochs
from fer_tf.training.tasks import Supervised

folder, stop_at = Path(sys.argv[1]), sys.argv[2]
keras.utils.set_random_seed(5)
tf.config.experimental.enable_op_determinism()
model = keras.Sequential([
    keras.Input((4, 4, 3)),
    keras.layers.Rescaling(1 / 255),
    keras.layers.Flatten(),
    keras.layers.Dense(1000),
    keras.layers.BatchNormalization(momentum=0.9),
    keras.layers.ReLU(),
    keras.layers.Dropout(0.2, seed=1),
    keras.layers.Dense(500),
    keras.layers.Dense(7),
])

def rows_of(epoch):
    rng = np.random.default_rng([9, epoch])
    label = rng.integers(0, 7, 160)
    image = rng.integers(0, 256, (160, 4, 4, 3)).astype(np.uint8)
    target = np.eye(7, dtype=np.float32)[label]
    if epoch == 1:
        target[16:32] = np.nan
    return {"image": image, "target": target, "row": np.arange(160)}

def of(epoch, first, share):
    return tf.data.Dataset.from_tensor_slices(rows_of(epoch)).batch(16).skip(first)

def validate(model):
    print("scored", flush=True)
    logits = model.predict_on_batch(rows_of(99)["image"])
    score = float(np.abs(logits).mean())
    return {"accuracy": score, "macro_f1": score, "nll": score, "ece": score}

if stop_at == "between":
    def write_json(path, value):
        raise SystemExit(7)
    files.write_json = write_json

print("ready", flush=True)
loop.train(
    model, Supervised(), Epochs(of, 10, 16, list), validate,
    TrainConfig(epochs=4, ema=0.9), RunFolder(folder),
    Board(RunFolder(folder), "test"),
    clock=itertools.count(0, 300).__next__,
)
np.savez(folder / "final.npz", *model.get_weights())
"""


def start(folder, stop_at="never"):
    """Start PROGRAM's run in `folder`; it saves its state at every step."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder, stop_at],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def finish(folder):
    process = start(folder)
    process.communicate()
    assert process.returncode == 0
    with np.load(folder / "final.npz") as file:
        weights = list(file.values())
    history = json.loads((folder / "training.json").read_text())["history"]
    for figures in history:
        del figures["pictures_per_second"]
    return weights, history


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("whole"))


def assert_same(found, expected):
    for one, other in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert found[1] == expected[1]


def kill_while_saving(process, folder):
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if any("temp" in path.name for path in folder.glob("checkpoints/*")):
            break
    process.kill()


@pytest.mark.slow
def test_a_killed_run_ends_as_one_that_was_not(whole, tmp_path):
    rng = random.Random(3)
    for attempt in range(6):
        process = start(tmp_path)
        process.stdout.readline()
        if attempt % 2:
            kill_while_saving(process, tmp_path)
        else:
            time.sleep(rng.uniform(0.5, 3))
            process.kill()
        process.communicate()
    assert_same(finish(tmp_path), whole)


@pytest.mark.slow
def test_a_run_killed_between_weights_and_figures_writes_both_again(whole, tmp_path):
    process = start(tmp_path, "between")
    process.communicate()
    assert process.returncode == 7
    assert (tmp_path / "best.weights.h5").exists()
    assert not (tmp_path / "training.json").exists()
    assert_same(finish(tmp_path), whole)


@pytest.mark.parametrize("others", ["model", "file"])
def test_a_state_of_something_else_is_named(tmp_path, others):
    def checkpoint(units):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
        average = Average(model, 0.0, tf.distribute.get_strategy())
        folder = tmp_path / "run" / "checkpoints"
        optimizer = adamw(TRAIN, 1)
        optimizer.build(model.trainable_variables)
        return Checkpoint(folder, model, optimizer, average)

    checkpoint(4).save()
    if others == "file":
        (data,) = tmp_path.glob("run/checkpoints/*.data-*")
        data.write_bytes(data.read_bytes()[:-200])
    state = tmp_path / "run" / "checkpoints" / "ckpt-1"
    with pytest.raises(UserError, match=re.escape(str(state))):
        checkpoint(5 if others == "model" else 4).restore()


@pytest.mark.parametrize(("before", "now"), [(0.9, 0.0), (0.0, 0.9)])
def test_an_average_is_not_lost_unnoticed(tmp_path, before, now):
    def checkpoint(ema):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
        average = Average(model, ema, tf.distribute.get_strategy())
        optimizer = adamw(TRAIN, 1)
        optimizer.build(model.trainable_variables)
        return Checkpoint(tmp_path / "run" / "checkpoints", model, optimizer, average)

    checkpoint(before).save()
    checkpoint(before).restore()
    with pytest.raises(UserError, match=r"train\.ema|ckpt-1"):
        checkpoint(now).restore()
