"""A Keras model to TFLite: a uint8 crop goes in, calibrated probabilities come out."""

import contextlib
import io
import warnings
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from fer_tf import quiet
from fer_tf.calibration import Scaling
from fer_tf.errors import unknown_name
from fer_tf.runtime.bundle import PRECISIONS
from fer_tf.runtime.classifier import INPUT


def output_of(precision: str) -> str:
    """Return what a file of this precision answers, `probabilities` or `logits`.

    A softmax in int8 comes in steps of 1/256: one probability in fifteen would be
    exactly 0. So int8 ends at logits, and the runtime scales them in float32.
    """
    return "logits" if precision == "int8" else "probabilities"


def deployed(model: keras.Model, scaling: Scaling, output: str) -> keras.Model:
    """Return `model` as it leaves.

    Args:
        model: RGB [batch, size, size, 3] in 0..255 to logits [batch, 7].
        scaling: folded in, where `output` is `probabilities`: they are the softmax of
            w * (logits / T) + b. Logits are left as they are.
        output: `probabilities` or `logits`.

    Returns:
        A model of uint8 [batch, size, size, 3] to {output: float32 [batch, 7]}; any
        batch.
    """
    crops = keras.Input(model.input_shape[1:], dtype="uint8", name=INPUT)
    logits = model(keras.ops.cast(crops, "float32"), training=False)
    logits = keras.ops.cast(logits, "float32")
    if output == "logits":
        return keras.Model(crops, {output: logits})
    logits = logits / scaling.temperature
    if scaling.weights:
        logits = logits * np.array(scaling.weights, np.float32)
        logits = logits + np.array(scaling.biases, np.float32)
    return keras.Model(crops, {output: keras.layers.Softmax(dtype="float32")(logits)})


def to_tflite(
    model: keras.Model,
    scaling: Scaling,
    precision: str,
    pictures: np.ndarray | None = None,
) -> bytes:
    """Return the TFLite file of `model` as it leaves.

    `from_keras_model` goes through a SavedModel. `from_concrete_functions` would write
    a file whose outputs are NaN, silently, with a Keras 3 model.

    Args:
        model: RGB [batch, size, size, 3] in 0..255 to logits [batch, 7].
        scaling: folded in, unless the file ends at logits: see `output_of`.
        precision: one of `runtime.bundle.PRECISIONS`; what goes in is uint8 and what
            comes out float32 in all of them.
        pictures: uint8 [n, size, size, 3], prepared faces that int8 takes the ranges
            of activations from; only there.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if (precision == "int8") != (pictures is not None):
        raise ValueError(f"int8 needs `pictures` and nothing else does: {precision}.")
    leaving = deployed(model, scaling, output_of(precision))
    converter = tf.lite.TFLiteConverter.from_keras_model(leaving)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "dynamic":
        # Else the file needs a version of FULLY_CONNECTED that the older of the two
        # interpreters lacks. Of our models this is the last layer alone.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if pictures is not None:
        converter.representative_dataset = lambda: (
            {INPUT: picture[None]} for picture in pictures
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with _silence():
        return converter.convert()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep back what the converter prints: every variable, and its own settings."""
    with contextlib.redirect_stdout(io.StringIO()), quiet.unless_it_fails():
        with warnings.catch_warnings():
            # That ranges are measured and not given, with an interpreter of its own.
            warnings.filterwarnings("ignore", "Statistics for quantized inputs")
            warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter")
            yield
