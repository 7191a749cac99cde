"""One step: clipped, averaged, compiled, in 16 bits."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_tf import models
from fer_tf.config import TrainConfig
from fer_tf.errors import UserError
from fer_tf.training import replicas
from fer_tf.training.average import Average
from fer_tf.training.epochs import Epochs
from fer_tf.training.schedules import adamw
from fer_tf.training.step import make_step
from fer_tf.training.tasks import Supervised

ONE = tf.distribute.get_strategy()


def batch_of(seed):
    rng = np.random.default_rng(seed)
    return {
        "image": tf.constant(rng.integers(0, 256, (8, 4, 4, 3)), tf.uint8),
        "target": tf.one_hot(rng.integers(0, 7, 8), 7),
    }


def small_model():
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            # Before normalisation a bias has no gradient but rounding.
            keras.layers.Dense(16, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.Dense(7, dtype="float32"),
        ]
    )


def run(config, steps=5):
    """Do the first of five steps; return what each reports, the model, the average."""
    model = small_model()
    optimizer = adamw(config, 5)
    optimizer.build(model.trainable_variables)
    average = Average(model, config.ema, ONE)
    step = make_step(model, Supervised(), optimizer, average, config, ONE)
    values = [step(batch_of(seed)) for seed in range(steps)]
    return [{k: float(v) for k, v in each.items()} for each in values], model, average


def test_it_is_keras_own_step():
    """The same losses and weights as `train_on_batch`, clipped where that clips."""
    config = TrainConfig(learning_rate=0.01, clip_norm=0.5)
    values, model, _ = run(config)
    other = small_model()
    other.compile(
        keras.optimizers.AdamW(
            adamw(config, 5)._learning_rate, weight_decay=0.05, global_clipnorm=0.5
        ),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    other.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    losses = []
    for seed in range(5):
        batch = batch_of(seed)
        other.reset_metrics()
        losses.append(float(other.train_on_batch(batch["image"], batch["target"])))
    assert [each["loss"] for each in values] == pytest.approx(losses, rel=1e-5)
    assert max(each["gradient_norm"] for each in values) > 0.5
    for one, their in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, their, atol=1e-5)


def test_a_compiled_step_is_the_same_step():
    plain, model, _ = run(TrainConfig())
    compiled, other, _ = run(TrainConfig(jit_compile=True))
    for one, two in zip(compiled, plain, strict=True):
        assert one == pytest.approx(two, rel=1e-4)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_replicas_do_not_compile():
    two = mock.Mock(num_replicas_in_sync=2)
    with pytest.raises(UserError, match=r"train\.jit_compile.*\b2\b"):
        model = small_model()
        make_step(model, Supervised(), None, None, TrainConfig(jit_compile=True), two)


def test_a_batch_that_cannot_be_shared_is_refused():
    two = mock.Mock(num_replicas_in_sync=2)
    with pytest.raises(UserError, match=r"train\.batch_size.*\b2\b.*\b15\b"):
        replicas.check(two, Epochs(None, 1, 15, list))


def test_the_average_is_that_of_the_formula():
    """a <- d a + (1 - d) w with d = min(.5, (1 + n) / (10 + n)), statistics too."""
    config = TrainConfig(learning_rate=0.05, ema=0.5)
    expected = small_model().get_weights()
    for count in range(5):
        # Each run is the one before and one step more.
        _, model, average = run(config, count + 1)
        kept = min(0.5, (1 + count) / (10 + count))
        expected = [
            kept * one + (1 - kept) * other
            for one, other in zip(expected, model.get_weights(), strict=True)
        ]
    for one, other in zip(average.variables, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, atol=1e-6)


@pytest.mark.slow
def test_a_model_that_counts_has_an_average():
    """EfficientNet's first layer has a whole number among its weights."""
    config = TrainConfig(ema=0.5)
    model = models.build("efficientnet_b3", size=32)
    optimizer = adamw(config, 5)
    optimizer.build(model.trainable_variables)
    average = Average(model, config.ema, ONE)
    before = [each.numpy() for each in average.variables]
    step = make_step(model, Supervised(), optimizer, average, config, ONE)
    batch = batch_of(0)
    batch["image"] = tf.image.resize(tf.cast(batch["image"], tf.float32), (32, 32))
    # The first one's learning rate is 0.
    assert [step(batch)["skipped_steps"] for _ in range(3)] == [0, 0, 0]
    moved = [
        (one != other.numpy()).any()
        for one, other in zip(before, average.variables, strict=True)
    ]
    assert np.mean(moved) > 0.9
    with average.applied():
        assert np.isfinite(models.answers(model, [batch["image"]])).all()


def test_the_average_is_applied_and_taken_back():
    _, model, average = run(TrainConfig(learning_rate=0.05, ema=0.9))
    own = model.get_weights()
    with pytest.raises(KeyError), average.applied():
        for one, other in zip(model.get_weights(), average.variables, strict=True):
            np.testing.assert_array_equal(one, other.numpy())
        assert any((a != b).any() for a, b in zip(model.get_weights(), own))
        raise KeyError
    for one, other in zip(model.get_weights(), own, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_average_costs_nothing():
    _, model, average = run(TrainConfig())
    assert average.variables == []
    with average.applied():
        assert len(model.get_weights()) == 7
