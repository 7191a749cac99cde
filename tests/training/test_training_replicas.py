"""Several replicas train what one does: in one process, and in two on loopback."""

import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_tf.config import TrainConfig
from fer_tf.errors import UserError
from fer_tf.experiment import RunFolder
from fer_tf.training import loop
from fer_tf.training import replicas
from fer_tf.training.board import Board
from fer_tf.training.epochs import Epochs
from fer_tf.training.tasks import Supervised

BATCH, STEPS = 16, 3

PROGRAM = """
import itertools
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from fer_tf.config import TrainConfig
from fer_tf.experiment import RunFolder
from fer_tf.training import loop
from fer_tf.training.board import Board
from fer_tf.training import replicas
from fer_tf.training.epochs import Epochs
from fer_tf.training.tasks import Supervised

folder, out, kind, layers = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
if kind == "mirrored":
    (cpu,) = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
else:
    strategy = replicas.strategy()
keras.utils.set_random_seed(5)
tf.config.experimental.enable_op_determinism()
with strategy.scope():
    model = keras.Sequential([
        keras.Input((4, 4, 3)),
        keras.layers.Rescaling(1 / 255),
        # Before normalisation a bias has no gradient but rounding, which Adam enlarges.
        keras.layers.Conv2D(8, 3, use_bias="bn" not in layers),
        *([keras.layers.BatchNormalization(momentum=0.9)] if "bn" in layers else []),
        keras.layers.ReLU(),
        keras.layers.Flatten(),
        *([keras.layers.Dropout(0.2, seed=1)] if "dropout" in layers else []),
        keras.layers.Dense(7),
    ])

def of(epoch, first, share):
    rng = np.random.default_rng([9, epoch])
    label = rng.integers(0, 7, 96)
    target = np.eye(7, dtype=np.float32)[label]
    if epoch == 1:
        target[16:24] = np.nan
    rows = share.rows_of(np.arange(96), 16)[first * (16 // share.count):]
    columns = {
        "image": rng.integers(0, 256, (96, 4, 4, 3)).astype(np.uint8)[rows],
        "target": target[rows],
        "row": rows,
    }
    size = 16 // (share.count * share.pieces)
    return tf.data.Dataset.from_tensor_slices(columns).batch(size)

def validate(model):
    image = np.random.default_rng(1).integers(0, 256, (32, 4, 4, 3))
    score = float(tf.reduce_mean(tf.abs(model(image.astype(np.float32)))))
    if kind == "dies" and score and len(list(folder.glob("checkpoints/*.index"))) == 1:
        raise SystemExit(7)
    return {"accuracy": score, "macro_f1": score, "nll": score, "ece": score}

loop.train(
    model, Supervised(), Epochs(of, 6, 16, list), validate,
    TrainConfig(epochs=3, learning_rate=0.01, ema=0.9), RunFolder(folder),
    Board(RunFolder(folder), "test"),
    strategy=strategy,
)
values = [each.numpy() for each in model.variables]
np.savez(out, *values)
"""


def epoch_of(epoch, first, share):
    rng = np.random.default_rng([9, epoch])
    label = rng.integers(0, 7, BATCH * STEPS)
    target = np.eye(7, dtype=np.float32)[label]
    if epoch == 1:
        target[BATCH : BATCH + 8] = np.nan
    rows = share.rows_of(np.arange(len(label)), BATCH)
    image = rng.integers(0, 256, (len(label), 4, 4, 3)).astype(np.uint8)
    columns = {"image": image[rows], "target": target[rows], "row": rows}
    size = BATCH // (share.count * share.pieces)
    return tf.data.Dataset.from_tensor_slices(columns).batch(size)


def scored(model):
    image = np.random.default_rng(1).integers(0, 256, (32, 4, 4, 3))
    score = float(tf.reduce_mean(tf.abs(model(image.astype(np.float32)))))
    return {"accuracy": score, "macro_f1": score, "nll": score, "ece": score}


def train_here(folder, strategy):
    """Train in this process; return the model's variables and the history."""
    keras.utils.set_random_seed(5)
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((4, 4, 3)),
                keras.layers.Rescaling(1 / 255),
                # A bias before BatchNormalization has no gradient but rounding errors.
                keras.layers.Conv2D(8, 3, use_bias=False),
                keras.layers.BatchNormalization(momentum=0.9),
                keras.layers.ReLU(),
                keras.layers.Flatten(),
                keras.layers.Dense(7),
            ]
        )
    summary = loop.train(
        model,
        Supervised(),
        Epochs(epoch_of, STEPS, BATCH, list),
        scored,
        TrainConfig(epochs=2, learning_rate=0.01, ema=0.9),
        RunFolder(folder),
        Board(RunFolder(folder), "test"),
        strategy=strategy,
    )
    return [each.numpy() for each in model.variables], summary["history"]


def test_two_replicas_train_what_one_does(tmp_path):
    """BatchNormalization's statistics are of the whole batch; NaN in one half skips."""
    alone, one = train_here(tmp_path / "one", tf.distribute.get_strategy())
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    together, two = train_here(tmp_path / "two", mirrored)
    assert_close(together, alone, 1e-3)
    assert [epoch["skipped_steps"] for epoch in two] == [0, 1]
    assert [e["loss"] for e in two] == pytest.approx([e["loss"] for e in one], rel=1e-4)


def start(folder, out, environment, kind="one", layers="plain"):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder, out, kind, layers],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def variables_of(path):
    with np.load(path) as file:
        return list(file.values())


@pytest.fixture
def train(environments):
    """Train in one process; return its variables."""

    def run(folder, kind="one", layers="plain"):
        folder.mkdir()
        process = start(folder, folder / "out.npz", *environments(1), kind, layers)
        _, said = process.communicate()
        assert process.returncode == 0, said
        return variables_of(folder / "out.npz")

    return run


@pytest.fixture
def train_two(environments):
    """Train in two processes; return the variables of each."""

    def run(folder, layers="plain", kind="two"):
        folder.mkdir(exist_ok=True)
        outs = [folder / f"out{index}.npz" for index in range(2)]
        processes = [
            start(folder, out, environment, kind, layers)
            for out, environment in zip(outs, environments(2), strict=True)
        ]
        said = [process.communicate()[1] for process in processes]
        if kind == "dies":
            return None
        assert [process.returncode for process in processes] == [0, 0], said
        return [variables_of(out) for out in outs]

    return run


def assert_close(found, expected, most):
    assert max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True)) < most


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path, train, train_two):
    """Without BatchNormalization: a step with NaN is skipped by both, too."""
    alone = train(tmp_path / "one")
    first, second = train_two(tmp_path / "two")
    assert_close(first, alone, 1e-6)
    assert_same(first, second)
    one, two = (
        json.loads((tmp_path / name / "training.json").read_text())["history"]
        for name in ("one", "two")
    )
    assert [epoch["skipped_steps"] for epoch in two] == [0, 1, 0]
    assert [e["loss"] for e in two] == pytest.approx([e["loss"] for e in one], rel=1e-5)


@pytest.mark.slow
def test_two_processes_hold_the_same_variables_bit_for_bit(
    tmp_path, train, train_two
):
    """With BatchNormalization, whose statistics are of the whole batch."""
    alone = train(tmp_path / "one", layers="bn")
    first, second = train_two(tmp_path / "two", "bn")
    assert_same(first, second)
    assert_close(first, alone, 1e-3)


@pytest.mark.slow
def test_two_replicas_of_one_process_train_what_one_does(tmp_path, train):
    alone = train(tmp_path / "one")
    assert_close(train(tmp_path / "two", "mirrored"), alone, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mirrored", "two"])
def test_dropout_and_normalisation_work_on_two_replicas(
    tmp_path, kind, train, train_two
):
    folder = tmp_path / "two"
    if kind == "mirrored":
        train(folder, "mirrored", "bn dropout")
    else:
        train_two(folder, "bn dropout")
    history = json.loads((folder / "training.json").read_text())["history"]
    assert history[-1]["loss"] < history[0]["loss"]


@pytest.mark.slow
def test_two_processes_that_die_go_on_as_if_they_had_not(tmp_path, train_two):
    whole = train_two(tmp_path / "whole", "bn")
    train_two(tmp_path / "broken", "bn", kind="dies")
    assert not (tmp_path / "broken" / "out0.npz").exists()
    again = train_two(tmp_path / "broken", "bn")
    assert_same(again[0], whole[0])
    assert_same(again[1], whole[0])


@pytest.mark.parametrize("text", ["no JSON", '{"cluster": {"worker": ["a:1"]}}'])
def test_a_useless_tf_config_is_named(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=f"TF_CONFIG={re.escape(repr(text))}"):
        replicas.strategy.__wrapped__()
