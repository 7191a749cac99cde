"""The fused layer does what Keras' does, statistics included, in one kernel."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_tf import models
from fer_tf.models.normalization import FusedBatchNormalization
from fer_tf.models.normalization import fused

SHAPE = (8, 5, 5, 6)


def trained_once(layer, x, towards):
    """Return what a step of training gives: answers, statistics, gradients."""
    layer.build(x.shape)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) * towards)
    gradients = tape.gradient(loss, [x, *layer.trainable_variables])
    statistics = [layer.moving_mean, layer.moving_variance]
    values = [tf.cast(y, tf.float32), *statistics, *gradients]
    return [keras.ops.convert_to_numpy(each) for each in values]


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(3, 2, SHAPE), tf.float32) for _ in range(2)]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "options", [{}, {"scale": False}, {"center": False, "momentum": 0.5}]
)
def test_a_step_is_keras_own(maps, policy, options):
    settings = {"momentum": 0.9, "dtype": policy, **options}
    ours = trained_once(FusedBatchNormalization(**settings), *maps)
    keras_own = trained_once(keras.layers.BatchNormalization(**settings), *maps)
    for one, other in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    # Of 200 values a channel: Bessel's correction would be half a percent.
    np.testing.assert_allclose(ours[2], keras_own[2], rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_frozen_layer_keeps_its_statistics(maps, training):
    x, _ = maps
    layers = [FusedBatchNormalization(), keras.layers.BatchNormalization()]
    answers = []
    for layer in layers:
        layer.trainable = not training
        answers.append(keras.ops.convert_to_numpy(layer(x, training=training)))
        assert not np.any(layer.moving_mean)
    np.testing.assert_array_equal(*answers)


def test_a_vector_and_several_replicas_are_left_to_keras(maps, monkeypatch):
    monkeypatch.setattr(
        tf.raw_ops, "FusedBatchNormV3", lambda **_: pytest.fail("the kernel")
    )
    FusedBatchNormalization()(tf.zeros((4, 3)), training=True)
    with pytest.raises(pytest.fail.Exception):
        FusedBatchNormalization()(maps[0], training=True)
    together = FusedBatchNormalization(synchronized=True)
    together.build(SHAPE)
    assert not together._fuses()


def branches(**_):
    """What a backbone is made of: scaled input, two branches, a sum."""
    image = keras.Input((32, 32, 3))
    x = keras.layers.Normalization(mean=[100, 110, 120], variance=[9] * 3)(image)
    x = keras.layers.Conv2D(4, 3, strides=2, use_bias=False)(x)
    one = keras.layers.BatchNormalization(scale=False)(x)
    other = keras.layers.BatchNormalization(momentum=0.5)(keras.layers.ReLU()(x))
    x = keras.layers.Add()([one, other])
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize(
    "build",
    [
        branches,
        pytest.param(keras.applications.EfficientNetB0, marks=pytest.mark.slow),
    ],
)
def test_a_twin_is_the_same_function_with_the_same_names(build):
    keras.utils.set_random_seed(0)
    backbone = build(
        input_shape=(32, 32, 3), include_top=False, weights=None, pooling="avg"
    )
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            layer.adapt_mean.assign([100.0, 110.0, 120.0])
            layer.finalize_state()
    twin = fused(backbone, momentum=0.7)
    names = [[each.name for each in model.layers[1:]] for model in (twin, backbone)]
    assert names[0] == names[1]
    assert [each.path for each in twin.weights] == [e.path for e in backbone.weights]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    np.testing.assert_array_equal(
        *(
            keras.ops.convert_to_numpy(model(pixels, training=False))
            for model in (twin, backbone)
        )
    )
    found = [e for e in twin.layers if isinstance(e, keras.layers.BatchNormalization)]
    assert {type(each) for each in found} == {FusedBatchNormalization}
    assert {each.momentum for each in found} == {0.7}


def test_published_weights_keep_their_momentum():
    momenta = {
        each.momentum
        for each in fused(branches()).layers
        if isinstance(each, FusedBatchNormalization)
    }
    assert momenta == {0.99, 0.5}


def test_a_keras_file_is_read_back(tmp_path):
    model = models.build("tiny", size=32)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    np.testing.assert_array_equal(
        *(
            keras.ops.convert_to_numpy(each(pixels, training=False))
            for each in (model, again)
        )
    )
