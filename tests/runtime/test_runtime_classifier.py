"""Crops to probabilities, and the interpreter that is picked."""

import dataclasses
import pickle
import re
import shutil
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fer_tf import preprocess
from fer_tf.errors import UserError
from fer_tf.runtime import bundle as schema
from fer_tf.runtime import interpreter
from fer_tf.runtime import latency
from fer_tf.runtime.classifier import Classifier
from fer_tf.runtime.classifier import calibrated


@pytest.fixture(scope="module")
def bundle(tiny_bundle):
    """The small bundle."""
    return schema.read(tiny_bundle)


@pytest.fixture(scope="module")
def classifier(bundle):
    """Its classifier."""
    return Classifier(bundle)


def test_crops_of_any_size_go_through_the_one_preprocessing(classifier, bundle):
    noise = np.random.default_rng(0)
    crops = [
        noise.integers(0, 256, (side, side, 3), dtype=np.uint8)
        for side in (20, 32, 33, 150)
    ]
    prepared = np.stack([preprocess.prepare(crop, bundle.face) for crop in crops])
    np.testing.assert_array_equal(classifier(crops), classifier.classify(prepared))


def test_a_batch_answers_what_its_rows_answer_alone(classifier, pictures):
    together = classifier.classify(pictures)
    alone = [classifier.classify(picture[None])[0] for picture in pictures]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_threads_that_share_a_classifier_get_the_predictions_of_their_own_faces(
    classifier, pictures
):
    """Numbers of faces differ, so that the input tensor is resized all the time."""
    batches = [pictures[start:stop] for start in range(9) for stop in range(start, 10)]
    expected = [classifier.classify(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        received = list(pool.map(classifier.classify, batches * 10))
    for probs, wanted in zip(received, expected * 10, strict=True):
        np.testing.assert_array_equal(probs, wanted)


def test_predictions_are_copied_before_the_next_call_may_change_them(
    bundle, monkeypatch
):
    """An interpreter may return a view of its own output tensor."""
    tensor = np.zeros((1, 7), np.float32)

    def run(crops):
        tensor[:] = crops[0, 0, 0, 0]
        time.sleep(0.0005)
        return {"probabilities": tensor}

    monkeypatch.setattr(
        "fer_tf.runtime.classifier._signature", lambda loaded, bundle: run
    )
    plain = dataclasses.replace(bundle, output="probabilities")
    classify = Classifier(plain).classify
    inputs = [np.full((1, 32, 32, 3), n, np.uint8) for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        received = list(pool.map(classify, inputs))
    assert [probs[0, 0] for probs in received] == list(range(200))


def test_a_pickled_classifier_predicts_the_same(classifier, pictures):
    again = pickle.loads(pickle.dumps(classifier))
    assert again.bundle == classifier.bundle
    np.testing.assert_array_equal(
        again.classify(pictures), classifier.classify(pictures)
    )


@pytest.mark.parametrize("damage", [b"", b"TFL3", None])
def test_a_pickle_whose_model_has_changed_is_refused(tiny_bundle, tmp_path, damage):
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    pickled = pickle.dumps(Classifier(schema.read(folder)))
    model = folder / "model.tflite"
    if damage is None:
        model.unlink()
    else:
        model.write_bytes(model.read_bytes()[:-8] + damage)
    with pytest.raises(UserError, match="model.tflite"):
        pickle.loads(pickled)


def test_answers_are_probabilities_that_depend_on_the_picture(classifier, pictures):
    answers = classifier.classify(pictures)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    assert np.unique(answers[:, 0]).size == len(pictures)


def test_no_face_is_no_answer(classifier):
    assert classifier([]).shape == (0, 7)


@pytest.mark.parametrize(
    "inputs",
    [np.zeros((1, 32, 32, 3), np.float32), np.zeros((1, 31, 32, 3), np.uint8)],
)
def test_unprepared_inputs_are_refused(classifier, inputs):
    expected = rf"`inputs`.*uint8 \[n, 32, 32, 3\].*{inputs.dtype}"
    with pytest.raises(ValueError, match=expected):
        classifier.classify(inputs)


def test_a_bundle_whose_face_is_not_its_models_is_refused(bundle):
    wrong = dataclasses.replace(bundle, face=preprocess.FaceSpec(size=48))
    with pytest.raises(UserError, match=r"\[any, 48, 48, 3\].*\[-1, 32, 32, 3\]"):
        Classifier(wrong)


def test_logits_are_divided_by_the_temperature_here(bundle, monkeypatch):
    logits = np.array([[0.0, 2.0, 0, 0, 0, 0, 0]], np.float32)
    monkeypatch.setattr(
        "fer_tf.runtime.classifier._signature",
        lambda loaded, bundle: lambda crops: {"logits": logits},
    )
    as_logits = dataclasses.replace(bundle, output="logits", temperature=2.0)
    answer = Classifier(as_logits).classify(np.zeros((1, 32, 32, 3), np.uint8))
    # exp(2 / 2) against six times exp(0).
    expected = np.array([1, np.e, 1, 1, 1, 1, 1]) / (6 + np.e)
    np.testing.assert_allclose(answer[0], expected, rtol=1e-6)
    assert answer.dtype == np.float32


def test_vector_scaling_follows_the_temperature(bundle):
    weights, biases = np.linspace(0.5, 2, 7), np.linspace(-1, 1, 7)
    vector = schema.Vector(tuple(weights.tolist()), tuple(biases.tolist()))
    scaled = dataclasses.replace(bundle, temperature=2.0, vector=vector)
    logits = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
    powers = np.exp(weights * logits / 2.0 + biases)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrated(logits, scaled), expected, rtol=1e-5)


def test_calibration_neither_overflows_nor_moves_with_a_constant(bundle):
    logits = np.array([[1000.0] * 6 + [1001.0]], np.float32)
    plain = dataclasses.replace(bundle, temperature=1.0)
    moved = calibrated(logits - np.float32(1000), plain)
    np.testing.assert_allclose(calibrated(logits, plain), moved)


def test_without_an_interpreter_the_cure_is_named(tiny_bundle, monkeypatch):
    for package in interpreter.PACKAGES:
        monkeypatch.setitem(sys.modules, f"{package}.interpreter", None)
    with pytest.raises(UserError, match="pip install ai-edge-litert"):
        interpreter.load(tiny_bundle / "model.tflite")


def test_the_second_package_serves_when_the_first_is_absent(tiny_bundle, monkeypatch):
    class Interpreter:
        def __init__(self, model_content, num_threads):
            self.threads = num_threads

        def allocate_tensors(self):
            pass

    second = types.ModuleType("tflite_runtime.interpreter")
    second.Interpreter = Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", types.ModuleType("package"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", second)
    monkeypatch.setattr(interpreter.np, "__version__", "1.26.4")
    assert interpreter.load(tiny_bundle / "model.tflite").threads == 1


def test_a_clash_with_numpy_2_is_named_before_it_is_imported(tiny_bundle, monkeypatch):
    """2.14 is imported under NumPy 2, and fails when it is given a model."""
    spec = types.SimpleNamespace(name="tflite_runtime")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setattr(interpreter.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(interpreter.np, "__version__", "2.4.0")
    with pytest.raises(UserError, match=r"tflite_runtime.*2\.4\.0.*ai-edge-litert"):
        interpreter.load(tiny_bundle / "model.tflite")


def test_a_package_that_cannot_be_imported_is_named(tiny_bundle, monkeypatch):
    def refuse(name):
        raise ImportError("libstdc++.so.6 is too old")

    monkeypatch.setattr(interpreter.importlib, "import_module", refuse)
    with pytest.raises(UserError, match=r"ai_edge_litert.*libstdc\+\+"):
        interpreter.load(tiny_bundle / "model.tflite")


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a flatbuffer")
    with pytest.raises(UserError, match=re.escape(str(path))):
        interpreter.load(path)


def test_a_model_that_an_older_interpreter_lacks_an_operator_for(
    tiny_bundle, monkeypatch
):
    """As `tflite_runtime` says it; what to do comes with it."""

    class Older:
        def __init__(self, model_content, num_threads):
            raise ValueError(
                "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'. "
                "An older version of this builtin might be supported.\n"
                "Registration failed."
            )

    monkeypatch.setattr(interpreter, "_interpreter", lambda: ("tflite_runtime", Older))
    with pytest.raises(UserError) as error:
        interpreter.load(tiny_bundle / "model.tflite")
    for needed in ("tflite_runtime", "FULLY_CONNECTED", "ai-edge-litert", "float32"):
        assert needed in str(error.value)
    assert "\n" not in str(error.value)


def test_another_models_file_is_refused_by_what_it_answers(bundle, monkeypatch):
    class Loaded:
        def get_signature_list(self):
            return {"any": {"inputs": ["crops"], "outputs": ["probabilities"]}}

        def get_input_details(self):
            return [{"shape_signature": np.array([-1, 32, 32, 3])}]

        def get_output_details(self):
            return [{"shape": np.array([1, 1000])}]

    monkeypatch.setattr(interpreter, "load", lambda model, threads: Loaded())
    with pytest.raises(UserError, match=r"\b7\b.*\[1, 1000\]"):
        Classifier(bundle)


def test_latency_is_the_median_and_95th_percentile_of_the_calls():
    times = iter([0.0, 9.0] + [edge for ms in range(1, 101) for edge in (0, ms / 1e3)])
    calls = []
    found = latency.measure(
        lambda: calls.append(1), calls=100, warm_up=1, clock=lambda: next(times)
    )
    assert len(calls) == 101
    assert found.median_ms == pytest.approx(50.5)
    assert found.p95_ms == pytest.approx(95.05)
