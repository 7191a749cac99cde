"""Conversion, the bundle that is written, and the parity check that guards it."""

import dataclasses

import keras
import numpy as np
import pytest

from export import convert
from export import parity
from export.bundle import write_bundle
from fer_tf import files
from fer_tf import metrics
from fer_tf.calibration import Scaling
from fer_tf.errors import CheckFailed
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.preprocess import FaceSpec
from fer_tf.runtime import bundle as schema
from fer_tf.runtime.classifier import Classifier

TEMPERATURE = 1.5


@pytest.fixture
def write(tiny_model, tmp_path):
    """Write `tiny_model`'s bundle, with changes."""

    def write(**changes):
        arguments = {
            "name": "tiny",
            "face": FaceSpec(size=32),
            "temperature": TEMPERATURE,
            "abstain": schema.Abstain(0.4, 0.9, "validation"),
            "precision": "float32",
            "metrics": {},
            "data_digests": {},
            "smoke": False,
            "model_card": "# tiny\n",
        }
        model = changes.pop("model", tiny_model)
        return write_bundle(tmp_path / "bundle", model, **arguments | changes)

    return write


def test_vector_scaling_is_folded_into_what_leaves(tiny_model, write, pictures):
    rng = np.random.default_rng(0)
    weights, biases = rng.uniform(0.5, 1.5, 7), rng.normal(size=7)
    scaling = Scaling(TEMPERATURE, tuple(weights.tolist()), tuple(biases.tolist()))
    folded = convert.with_vector(tiny_model, scaling)
    logits = np.asarray(tiny_model(pictures.astype(np.float32), training=False))
    expected = metrics.softmax(scaling.apply(logits))
    bundle = write(model=folded)
    answer = Classifier(bundle).classify(pictures)
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    parity.check(folded, bundle, pictures, TEMPERATURE)
    assert np.abs(expected - metrics.softmax(logits / TEMPERATURE)).max() > 0.05


def test_without_vector_scaling_the_model_leaves_as_it_is(tiny_model):
    assert convert.with_vector(tiny_model, Scaling(TEMPERATURE)) is tiny_model


def test_prediction_sets_are_written_and_read_back(write):
    sets = schema.PredictionSets(0.1, 0.9, "validation")
    assert write(prediction_sets=sets).prediction_sets == sets


def numpy_probabilities(model, inputs, temperature):
    """softmax(logits / T), written out, in float64."""
    logits = np.asarray(model(inputs.astype(np.float32), training=False), float)
    powers = np.exp(logits / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-5), ("float16", 1e-2)]
)
def test_the_bundle_answers_what_the_model_answers(
    write, tiny_model, pictures, precision, tolerance
):
    classifier = Classifier(write(precision=precision))
    expected = numpy_probabilities(tiny_model, pictures, TEMPERATURE)
    np.testing.assert_allclose(classifier.classify(pictures), expected, atol=tolerance)


def test_half_precision_is_half_the_size(tiny_model):
    whole = len(convert.to_tflite(tiny_model, 1.0, "float32"))
    half = len(convert.to_tflite(tiny_model, 1.0, "float16"))
    assert half < 0.65 * whole


def test_the_temperature_is_inside_the_model(write, tiny_model, pictures):
    cool = Classifier(write(temperature=0.5)).classify(pictures)
    warm = Classifier(write(temperature=5.0)).classify(pictures)
    assert (cool.max(axis=1) > warm.max(axis=1)).all()


def test_the_converter_prints_nothing(tiny_model, capfd):
    convert.to_tflite(tiny_model, 1.0, "float32")
    assert capfd.readouterr().out == ""


def test_an_unknown_precision_is_answered_with_the_nearest(tiny_model):
    with pytest.raises(UserError, match="Did you mean 'float16'"):
        convert.to_tflite(tiny_model, 1.0, "float15")


def test_a_bundle_reads_back_as_written(write):
    written = write(metrics={"val": {"n": 3}}, data_digests={"manifest.csv": "ab"})
    read = schema.read(written.folder)
    assert read == written
    assert read.metrics == {"val": {"n": 3}}
    assert read.face == FaceSpec(size=32)
    assert sorted(path.name for path in read.folder.iterdir()) == sorted(
        ["bundle.json", "model.tflite", "labels.txt", "MODEL_CARD.md"]
    )
    assert (read.folder / "labels.txt").read_text().split() == list(CLASSES)


def test_a_bundle_replaces_an_older_one_whole(write):
    first = write(name="first")
    (first.folder / "left_over.txt").write_text("")
    second = write(name="second")
    assert second.name == "second"
    assert not (second.folder / "left_over.txt").exists()


def test_a_write_that_fails_leaves_the_older_bundle_and_nothing_else(write):
    first = write(name="first")
    with pytest.raises(UserError):
        write(name="second", precision="float15")
    assert schema.read(first.folder).name == "first"
    assert list(first.folder.parent.iterdir()) == [first.folder]


def test_a_folder_of_something_else_is_not_replaced(write, tmp_path):
    files.write_text(tmp_path / "bundle" / "thesis.txt", "years of work")
    with pytest.raises(UserError, match="is no bundle"):
        write()
    assert (tmp_path / "bundle" / "thesis.txt").read_text() == "years of work"


def test_parity_passes_for_a_faithful_bundle(write, tiny_model, pictures):
    found = parity.check(tiny_model, write(), pictures, TEMPERATURE)
    assert found["n"] == 9
    assert found["max_difference"] < 1e-5
    assert found["same_labels"] == 1.0


def test_parity_covers_every_input_of_several_batches(write, tiny_model, pictures):
    many = np.concatenate([pictures] * 8)
    assert len(many) > parity.BATCH_SIZE
    assert parity.check(tiny_model, write(), many, TEMPERATURE)["n"] == 72


def test_parity_fails_for_another_temperature(write, tiny_model, pictures):
    with pytest.raises(CheckFailed, match="differs from its Keras model on 9"):
        parity.check(tiny_model, write(), pictures, temperature=3.0)


def test_parity_fails_for_other_weights(write, tiny_model, pictures):
    other = keras.models.clone_model(tiny_model)
    with pytest.raises(CheckFailed):
        parity.check(other, write(), pictures, TEMPERATURE)


def test_parity_fails_for_a_model_that_answers_nan(write, tiny_model, pictures):
    broken = keras.models.clone_model(tiny_model)
    broken.set_weights([np.full_like(value, np.nan) for value in broken.get_weights()])
    with pytest.raises(CheckFailed):
        parity.check(broken, write(), pictures, TEMPERATURE)


def test_a_bundle_that_claims_logits_without_them_is_refused(write):
    claims = dataclasses.replace(write(), output="logits")
    with pytest.raises(UserError, match="must have one signature"):
        Classifier(claims)
