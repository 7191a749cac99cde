"""A Keras model to TFLite: a uint8 crop goes in, calibrated probabilities come out."""

import contextlib
import io

import keras
import numpy as np
import tensorflow as tf

from fer_tf.calibration import Scaling
from fer_tf.errors import unknown_name
from fer_tf.runtime.classifier import INPUT

PRECISIONS = ("float16", "float32")


def with_vector(model: keras.Model, scaling: Scaling) -> keras.Model:
    """Return `model` with vector scaling's w and b folded in, and T left out.

    w * (z / T) + b = (w * z + T b) / T: what comes out are logits that want T alone.
    Without vector scaling it is `model` itself.
    """
    if not scaling.weights:
        return model
    picture = keras.Input(model.input_shape[1:])
    logits = keras.ops.cast(model(picture, training=False), "float32")
    biases = scaling.temperature * np.array(scaling.biases, np.float32)
    weights = np.array(scaling.weights, np.float32)
    return keras.Model(picture, logits * weights + biases)


def deployed(model: keras.Model, temperature: float) -> keras.Model:
    """Return `model` as it leaves: softmax(logits / temperature) inside the graph.

    Args:
        model: RGB [batch, size, size, 3] in 0..255 to logits [batch, 7].
        temperature: T as fitted on validation.

    Returns:
        A model of uint8 [batch, size, size, 3] to `probabilities` [batch, 7]; any
        batch.
    """
    crops = keras.Input(model.input_shape[1:], dtype="uint8", name=INPUT)
    logits = model(keras.ops.cast(crops, "float32"), training=False)
    logits = keras.ops.cast(logits, "float32") / temperature
    probabilities = keras.layers.Softmax(name="probabilities", dtype="float32")(logits)
    return keras.Model(crops, {"probabilities": probabilities})


def to_tflite(model: keras.Model, temperature: float, precision: str) -> bytes:
    """Return the TFLite file of `deployed(model, temperature)`.

    `from_keras_model` goes through a SavedModel. `from_concrete_functions` would write
    a file whose outputs are NaN, silently, with a Keras 3 model.

    Args:
        precision: of the weights, `float32` or `float16`; what goes in and comes out
            is the same.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    converter = tf.lite.TFLiteConverter.from_keras_model(deployed(model, temperature))
    if precision == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    # The converter prints every variable it captures.
    with contextlib.redirect_stdout(io.StringIO()):
        return converter.convert()
