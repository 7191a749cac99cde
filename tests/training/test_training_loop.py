"""The loop: it learns, it goes on where it was stopped, its figures are the best's."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_tf import files
from fer_tf.config import TrainConfig
from fer_tf.config.stages import CRITERIA
from fer_tf.errors import CheckFailed
from fer_tf.experiment import RunFolder
from fer_tf.training import loop
from fer_tf.training.average import Average
from fer_tf.training.board import Board
from fer_tf.training.epochs import Epochs
from fer_tf.training.schedules import adamw
from fer_tf.training.step import make_step
from fer_tf.training.tasks import Supervised

STEPS, BATCH = 6, 16
CONFIG = TrainConfig(epochs=4, batch_size=BATCH, learning_rate=1e-2, warmup=0.0)


def small_model():
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2, seed=1),
            keras.layers.Dense(7),
        ]
    )


def epoch_of(number):
    """A learnable task whose batches are a function of the epoch alone."""
    rng = np.random.default_rng([9, number])
    label = rng.integers(0, 7, STEPS * BATCH)
    image = rng.integers(0, 60, (STEPS * BATCH, 4, 4, 3))
    image[np.arange(len(label)), label % 4, label // 4] += 180
    return tf.data.Dataset.from_tensor_slices(
        {
            "image": image.astype(np.uint8),
            "target": np.eye(7, dtype=np.float32)[label],
            "row": np.arange(len(label)),
        }
    ).batch(BATCH)


def validate(model):
    """Score on an epoch of its own."""
    right, losses = [], []
    for batch in epoch_of(999):
        logits = model.predict_on_batch(batch["image"])
        right.append(logits.argmax(-1) == batch["target"].numpy().argmax(-1))
        losses.append(keras.ops.convert_to_numpy(
            keras.losses.categorical_crossentropy(
                batch["target"], logits, from_logits=True
            )
        ))
    accuracy = float(np.mean(right))
    nll = float(np.mean(losses))
    return {"accuracy": accuracy, "macro_f1": accuracy, "nll": nll, "ece": 0.0}


def keys_of(rows):
    return [f"faces/{row}" for row in rows]


def data_of(of):
    def rest(epoch, first, share):
        return of(epoch).skip(first)

    return Epochs(rest, STEPS, BATCH, keys_of)


def train(folder, config=CONFIG, of=epoch_of, model=None):
    model = model or small_model()
    tf.config.experimental.enable_op_determinism()
    found = loop.train(
        model,
        Supervised(),
        data_of(of),
        validate,
        config,
        RunFolder(folder),
        Board(RunFolder(folder), "test"),
    )
    return model, found


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    model, summary = train(folder)
    return folder, model, summary


def test_it_learns(trained):
    _, _, summary = trained
    losses = [epoch["loss"] for epoch in summary["history"]]
    assert losses[-1] < 0.7 * losses[0]
    assert summary["best"]["val_accuracy"] > 0.5


def test_figures_belong_to_the_weights_that_are_kept(trained):
    folder, _, summary = trained
    fresh = small_model()
    fresh.load_weights(RunFolder(folder).weights)
    assert validate(fresh) == pytest.approx(
        {name: summary["best"][f"val_{name}"] for name in validate(fresh)}, abs=1e-6
    )


def test_training_json_is_what_was_returned(trained):
    folder, _, summary = trained
    assert files.read_json(RunFolder(folder).training) == summary
    assert len(summary["history"]) == CONFIG.epochs


def test_a_finished_run_is_not_trained_again(trained):
    folder, model, summary = trained

    def never(epoch):
        raise AssertionError("trained again")

    again, found = train(folder, of=never)
    assert found == summary
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def with_nan(data, steps):
    """Return the data with targets that are no number in some of its batches."""

    def spoil(step, batch):
        bad = tf.reduce_any(step == tf.constant(steps, tf.int64))
        spoilt = tf.where(bad, float("nan"), batch["target"])
        return {**batch, "target": spoilt}

    return data.enumerate().map(spoil)


def all_values(*holders):
    return [each.numpy() for holder in holders for each in holder.variables]


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_a_step_that_is_not_finite_changes_nothing(broken):
    model = small_model()
    optimizer = adamw(CONFIG, STEPS)
    optimizer.build(model.trainable_variables)

    @tf.custom_gradient
    def with_nan_gradient(loss):
        return loss, lambda upstream: upstream * float("nan")

    def task(logits, batch):
        loss = Supervised()(logits, batch)["loss"]
        bad = tf.reduce_any(batch["row"] < 0)
        if broken == "loss":
            return {"loss": tf.where(bad, float("nan"), loss)}
        return {"loss": tf.cond(bad, lambda: with_nan_gradient(loss), lambda: loss)}

    average = Average(model, 0.9, tf.distribute.get_strategy())
    step = make_step(
        model, task, optimizer, average, CONFIG, tf.distribute.get_strategy()
    )
    batch = next(iter(epoch_of(0)))
    assert step(batch)["skipped_steps"] == 0
    before = all_values(model, optimizer, average)
    values = step({**batch, "row": batch["row"] - BATCH})
    assert values["skipped_steps"] == 1
    assert values["loss"] == values["gradient_norm"] == 0
    for one, other in zip(all_values(model, optimizer, average), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert step(batch)["skipped_steps"] == 0
    assert optimizer.iterations == 2


def test_training_goes_on_after_a_skipped_step(trained, tmp_path):
    _, summary = train(
        tmp_path, of=lambda epoch: with_nan(epoch_of(epoch), [2] if epoch == 1 else [])
    )
    history = summary["history"]
    assert [epoch["skipped_steps"] for epoch in history] == [0, 1, 0, 0]
    assert history[0]["loss"] == trained[2]["history"][0]["loss"]
    assert history[1]["loss"] == pytest.approx(
        trained[2]["history"][1]["loss"], rel=0.2
    )
    assert history[3]["loss"] < history[0]["loss"]


def test_event_files_tell_of_skipped_steps(trained):
    folder, _, _ = trained
    tags = {
        value.tag
        for path in folder.glob("events.out.*")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert "optimizer/skipped_steps" in tags


def test_five_skipped_steps_in_a_row_stop_the_run(tmp_path):
    def of(epoch):
        return with_nan(epoch_of(epoch), [4, 5] if epoch == 0 else [0, 1, 2])

    with pytest.raises(CheckFailed, match=r"\b5\b.*train\.learning_rate") as found:
        train(tmp_path, of=of)
    named = set(str(found.value).rstrip(".").split("broken: ")[1].split(", "))
    rows = [*range(4 * BATCH, 6 * BATCH), *range(3 * BATCH)]
    assert named == set(keys_of(rows))


def test_a_good_step_sets_the_count_back(tmp_path):
    config = dataclasses.replace(CONFIG, epochs=2)
    _, summary = train(
        tmp_path, config, of=lambda epoch: with_nan(epoch_of(epoch), [0, 1, 3, 5])
    )
    assert [epoch["skipped_steps"] for epoch in summary["history"]] == [4, 4]


def test_best_by_chooses_the_checkpoint():
    history = [
        {"val_macro_f1": 0.5, "val_nll": 0.9, "val_balanced_nll": 1.5},
        {"val_macro_f1": 0.6, "val_nll": 1.2, "val_balanced_nll": 1.4},
        {"val_macro_f1": 0.6, "val_nll": 1.3, "val_balanced_nll": 1.1},
    ]
    history = [{"epoch": n, **each} for n, each in enumerate(history, start=1)]
    best = {
        criterion: loop._summary(history, TrainConfig(best_by=criterion))["best_epoch"]
        for criterion in CRITERIA
    }
    assert best == {"macro_f1": 2, "nll": 1, "balanced_nll": 3}


def test_an_epoch_whose_weights_were_not_kept_is_not_the_best_later(tmp_path):
    """Another `best_by`, accepted, may like one that the first one did not."""
    figures = [(0.5, 1.0), (0.6, 1.2), (0.4, 1.1)]
    weights = []

    def scripted(model):
        weights.append(model.get_weights())
        macro_f1, nll = figures[len(weights) - 1]
        return {"accuracy": 0.5, "macro_f1": macro_f1, "nll": nll}

    folder, data = RunFolder(tmp_path), data_of(epoch_of)
    for epochs, best_by, best in ((2, "macro_f1", 2), (2, "nll", 2), (3, "nll", 3)):
        config = dataclasses.replace(CONFIG, epochs=epochs, best_by=best_by)
        model = small_model()
        given = (model, Supervised(), data, scripted, config, folder)
        summary = loop.train(*given, Board(folder, "test"))
        assert files.read_json(folder.training) == summary
        assert summary["best_epoch"] == best
        model.load_weights(folder.weights)
        for one, other in zip(model.get_weights(), weights[best - 1], strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_learning_rate_warms_up_and_decays():
    config = TrainConfig(epochs=10, learning_rate=0.1, warmup=0.2)
    rate = adamw(config, steps_per_epoch=10)._learning_rate
    values = [float(rate(step)) for step in (0, 10, 20, 60, 100)]
    np.testing.assert_allclose(values, [0, 0.05, 0.1, 0.05, 0], atol=1e-6)


def test_normalisation_and_biases_are_not_decayed():
    model = small_model()
    optimizer = adamw(CONFIG, STEPS)
    optimizer.build(model.trainable_variables)
    decayed = {
        v.path for v in model.trainable_variables if optimizer._use_weight_decay(v)
    }
    assert decayed and all("kernel" in path for path in decayed)


@pytest.mark.parametrize("dies_at", [(1, 0), (1, 4), (3, 5)])
@pytest.mark.parametrize("seconds_a_step", [0.01, 200.0])
def test_a_stopped_run_ends_in_the_same_weights(
    trained, tmp_path, dies_at, seconds_a_step
):
    class Killed(Exception):
        """Stands for the process being killed."""

    model = small_model()
    calls = itertools.count()

    def task(logits, batch):
        def count():
            if next(calls) == dies_at[0] * STEPS + dies_at[1]:
                raise Killed

        tf.py_function(count, [], [])
        return Supervised()(logits, batch)

    clock = itertools.count(0.0, seconds_a_step).__next__
    data = data_of(epoch_of)
    folder = RunFolder(tmp_path)
    given = (validate, CONFIG, folder, Board(folder, "test"))
    with pytest.raises(tf.errors.OpError):
        loop.train(model, task, data, *given, clock=clock)
    model = small_model()
    summary = loop.train(model, Supervised(), data, *given, clock=clock)
    _, whole, whole_summary = trained
    for one, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert summary["best_epoch"] == whole_summary["best_epoch"]
    assert [e["loss"] for e in summary["history"]] == [
        e["loss"] for e in whole_summary["history"]
    ]
