"""Live teachers: they say what the stored ones say, and do not move."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_tf.fusion.pool import Pool
from fer_tf.training.teachers import Live
from fer_tf.training.teachers import log_probs

RNG = np.random.default_rng(0)
TEMPERATURES = {"a": 0.7, "b": 21.0}
OF_A = RNG.uniform(size=7).tolist()
POOLS = {
    "shared": Pool(TEMPERATURES, {"a": 0.3, "b": 0.7}, 1.3),
    "one": Pool(TEMPERATURES, {"a": 0.0, "b": 1.0}, 0.4),
    "per class": Pool(TEMPERATURES, {"a": OF_A, "b": [1 - w for w in OF_A]}, 0.9),
}


def teacher(scale):
    """A model that normalises and drops out, and prepares pixels by its own scale."""
    picture = keras.Input((6, 6, 3))
    x = keras.layers.Rescaling(scale)(picture)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
    return keras.Model(picture, keras.layers.Dense(7)(x))


@pytest.fixture
def teachers():
    keras.utils.set_random_seed(3)
    return {"a": teacher(1 / 255), "b": teacher(0.5)}


@pytest.fixture
def batch():
    return {
        "image": tf.constant(RNG.integers(0, 256, (5, 6, 6, 3)), tf.uint8),
        "target": tf.constant(np.eye(7, dtype=np.float32)[:5]),
    }


def told(logits, batch):
    """A task that hands back the soft label it was given."""
    return {"loss": tf.reduce_sum(logits * batch["soft_label"], axis=-1), **batch}


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_the_pool_says_the_same_in_tensorflow(pool, graph):
    logits = {
        "a": RNG.normal(scale=3, size=(40, 7)).astype(np.float32),
        "b": RNG.normal(scale=30, size=(40, 7)).astype(np.float32),
    }
    tensors = {name: tf.constant(each) for name, each in logits.items()}
    pooled = functools.partial(log_probs, pool)
    found = (tf.function(pooled) if graph else pooled)(tensors)
    expected = pool.log_probs(logits)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_teachers_answer_the_pixels_of_the_batch(teachers, batch, graph):
    pool = POOLS["per class"]
    task = Live(told, teachers, pool)
    task = tf.function(task) if graph else task
    found = task(tf.zeros((5, 7)), batch)
    logits = {
        name: model.predict_on_batch(batch["image"]) for name, model in teachers.items()
    }
    np.testing.assert_allclose(
        found["soft_label"], pool.log_probs(logits), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(found["target"], batch["target"])


def test_no_gradient_reaches_a_teacher(teachers, batch):
    task = Live(told, teachers, POOLS["shared"])
    weights = [each.value for model in teachers.values() for each in model.weights]
    student = tf.Variable(tf.ones((5, 7)))
    with tf.GradientTape() as tape:
        tape.watch(weights)
        loss = task(student, batch)["loss"]
    of_student, *of_teachers = tape.gradient(loss, [student, *weights])
    assert np.abs(of_student).min() > 0
    assert of_teachers == [None] * len(weights)


def test_teachers_do_not_move(teachers, batch):
    task = tf.function(Live(told, teachers, POOLS["shared"]))
    before = {name: model.get_weights() for name, model in teachers.items()}
    student = tf.Variable(tf.ones((5, 7)))
    optimizer = keras.optimizers.SGD(0.1)
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = task(student, batch)["loss"]
        optimizer.apply_gradients([(tape.gradient(loss, student), student)])
    for name, model in teachers.items():
        for one, other in zip(model.get_weights(), before[name], strict=True):
            np.testing.assert_array_equal(one, other)
