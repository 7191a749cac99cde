"""Conversion: what goes in and comes out in each precision, and how near it is."""

import keras
import numpy as np
import pytest
from tensorflow.lite.tools import flatbuffer_utils

from export import convert
from fer_tf import metrics
from fer_tf.calibration import Scaling
from fer_tf.errors import UserError
from fer_tf.runtime.bundle import PRECISIONS
from fer_tf.runtime.classifier import Classifier

PLAIN = Scaling(1.5)
RNG = np.random.default_rng(0)
VECTOR = {
    "method": "vector",
    "weights": tuple(RNG.uniform(0.5, 1.5, 7).tolist()),
    "biases": tuple(RNG.normal(size=7).tolist()),
}
# Of probabilities; the tiny model's last layer has 1,800 inputs.
TOLERANCES = {"float32": 1e-5, "float16": 1e-2, "dynamic": 0.05, "int8": 0.1}


def written_out(model, inputs, scaling):
    """softmax(w * (logits / T) + b) of the Keras model, in float64."""
    logits = np.asarray(model(inputs.astype(np.float32), training=False), float)
    return metrics.softmax(scaling.apply(logits))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("calibration", [{}, VECTOR], ids=["temperature", "vector"])
def test_the_bundle_answers_what_the_model_answers(
    write, tiny_model, pictures, precision, calibration
):
    bundle = write(precision, calibration)
    vector = [calibration.get(name, ()) for name in ("weights", "biases")]
    scaling = Scaling(1.5, *vector)
    expected = written_out(tiny_model, pictures, scaling)
    found = Classifier(bundle).classify(pictures)
    np.testing.assert_allclose(found, expected, atol=TOLERANCES[precision])
    # The scaling is not lost in the tolerance.
    unscaled = written_out(tiny_model, pictures, Scaling(1.0))
    assert np.abs(found - expected).max() < np.abs(found - unscaled).max() / 2


@pytest.mark.parametrize("precision", PRECISIONS)
def test_any_batch_goes_in_as_uint8_and_float32_comes_out(write, pictures, precision):
    classifier = Classifier(write(precision))
    many = np.concatenate([pictures, pictures])
    found = classifier.classify(many)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:9], classifier.classify(pictures), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_int8_ends_at_logits_that_the_runtime_scales(write, pictures):
    """A softmax in int8 would come in steps of 1/256."""
    bundle = write("int8", VECTOR)
    assert bundle.output == "logits"
    found = Classifier(bundle).classify(pictures)
    steps = found * 256
    assert np.abs(steps - np.rint(steps)).max() > 0.1
    assert bundle.vector.weights == VECTOR["weights"]


def test_int8_computes_in_int8(converted, pictures):
    model = read(converted("int8", PLAIN, pictures))
    kinds = {tensor.type for tensor in model.subgraphs[0].tensors}
    by_shape = {
        tuple(tensor.shape): tensor.type for tensor in model.subgraphs[0].tensors
    }
    int8, float32 = 9, 0
    assert int8 in kinds
    assert by_shape[8, 3, 3, 3] == int8, "a kernel"
    assert by_shape[1, 15, 15, 8] == int8, "what it answers"
    assert by_shape[1, 7] == float32, "the logits"


def read(tflite):
    return flatbuffer_utils.read_model_from_bytearray(bytearray(tflite))


def test_a_dynamic_file_needs_no_newer_interpreter_than_the_last_tflite_runtime(
    converted,
):
    """Of FULLY_CONNECTED it knows version 11, and says of 12 that it lacks it."""
    fully_connected = 9
    versions = [
        code.version
        for code in read(converted("dynamic", PLAIN)).operatorCodes
        if code.builtinCode == fully_connected
    ]
    assert versions
    assert max(versions) <= 11


def test_fewer_bits_are_smaller_files(converted, pictures):
    whole = len(converted("float32", PLAIN))
    assert len(converted("float16", PLAIN)) < 0.65 * whole
    assert len(converted("dynamic", PLAIN)) < 0.5 * whole
    assert len(converted("int8", PLAIN, pictures)) < 0.5 * whole


def test_the_converter_prints_nothing(tiny_model, pictures, capfd):
    convert.to_tflite(tiny_model, PLAIN, "int8", pictures)
    said = capfd.readouterr()
    assert said.out == said.err == ""


def test_what_the_converter_says_is_shown_when_it_fails(tiny_model, capfd):
    with pytest.raises(ValueError, match="int8.*`pictures`"):
        convert.to_tflite(tiny_model, PLAIN, "int8")
    wrong = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(Exception, match="8"):
        convert.to_tflite(tiny_model, PLAIN, "int8", wrong)


def test_an_unknown_precision_is_answered_with_the_nearest(tiny_model):
    with pytest.raises(UserError, match="'float15'") as raised:
        convert.to_tflite(tiny_model, PLAIN, "float15")
    assert raised.value.suggestion == "float16"


def test_dropout_and_batch_statistics_are_those_of_inference(tiny_model):
    """Else two calls would differ, and a face would hang on the others in its batch."""
    leaving = convert.deployed(tiny_model, PLAIN, "probabilities")
    same = np.full((3, 32, 32, 3), 7, np.uint8)
    found = keras.ops.convert_to_numpy(leaving(same)["probabilities"])
    assert np.ptp(found, axis=0).max() == 0
