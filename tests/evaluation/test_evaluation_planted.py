"""The gate on a real model: planted faults fail, re-runs of the same model pass."""

import dataclasses

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from fer_tf import files
from fer_tf import labels
from fer_tf import metrics
from fer_tf.calibration import Calibration
from fer_tf.cli.main import main
from fer_tf.config import Config
from fer_tf.config import FaceConfig
from fer_tf.config import TrainConfig
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.evaluation.predict import plain_logits
from fer_tf.experiment import RunFolder
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions
from fer_tf.sources import drawn
from fer_tf.training import epochs
from fer_tf.training import loop
from fer_tf.training.board import Board
from fer_tf.training.tasks import Supervised
from fer_tf.training.validation import Validation

pytestmark = pytest.mark.slow

COLOURED = Config(face=FaceConfig(size=48, grey=False))
TRAIN = TrainConfig(epochs=3, learning_rate=3e-3)
COUNTS = {"train": 3500, "validation": 700, "test": 2100}
RERUNS = 20


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    """As many bootstrap samples as the gate really draws."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A model, the coloured faces it has not been trained on, and its calibration."""

    model: keras.Model
    test: Faces
    calibration: Calibration


def drawn_faces(split):
    classes = np.arange(COUNTS[split]) % labels.NUM_CLASSES
    keys = np.array([f"{split}/{row}" for row in range(len(classes))])
    size = COLOURED.face.size
    pictures = (
        drawn.draw(labels.CLASSES[label], np.random.default_rng((*b"face", *key)), size)
        for label, key in zip(classes, map(str.encode, keys), strict=True)
    )
    return Faces(
        keys=keys,
        crops=[crop_of(picture.pixels, (), size) for picture in pictures],
        targets=np.eye(labels.NUM_CLASSES, dtype=np.float32)[classes],
        labels=classes,
        sources=np.full(len(keys), "drawn"),
        groups=keys,
        agreed=np.ones(len(keys), bool),
    )


def small_network():
    keras.utils.set_random_seed(0)
    size = COLOURED.face.size
    layers = [keras.Input((size, size, 3)), keras.layers.Rescaling(1 / 255)]
    for channels in (16, 32, 64, 96):
        layers += [
            keras.layers.Conv2D(channels, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
        ]
    head = [keras.layers.Flatten(), keras.layers.Dropout(0.3, seed=0)]
    return keras.Sequential([*layers, *head, keras.layers.Dense(labels.NUM_CLASSES)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = RunFolder(tmp_path_factory.mktemp("trained"))
    train, validation = drawn_faces("train"), drawn_faces("validation")
    model = small_network()
    loop.train(
        model,
        Supervised(),
        epochs.labelled(COLOURED, train, TRAIN),
        Validation(COLOURED, validation),
        TRAIN,
        run,
        Board(run, "planted"),
    )
    model.load_weights(run.weights)
    logits = plain_logits(model, COLOURED, validation)
    calibration = Calibration.fit(logits, validation.labels, 0.9, "validation")
    return Trained(model, drawn_faces("test"), calibration)


@pytest.fixture(scope="module")
def logits(trained):
    return plain_logits(trained.model, COLOURED, trained.test)


@pytest.fixture
def gate(trained, logits, tmp_path):
    """A function that gates logits against the model's: exit code and gate.json."""

    def save(name, logits, calibration):
        run, faces = RunFolder(tmp_path / name), trained.test
        columns = (faces.keys, faces.labels, faces.sources, faces.groups)
        voted = (faces.targets, faces.agreed)
        # A file says nothing of the order in which records were answered.
        order = np.random.default_rng([*name.encode()]).permutation(len(faces))
        test = SplitPredictions(*columns, *voted, logits).take(order)
        Predictions(name, 0, {"test": test}).save(run.predictions)
        calibration.save(run.calibration)
        return str(run.path)

    def call(candidate, calibration=trained.calibration, seed=0):
        folders = (
            save("candidate", candidate, calibration),
            save("baseline", logits, trained.calibration),
        )
        out = tmp_path / "gate.json"
        asked = ["--seed", str(seed), "--out", str(out)]
        code = CliRunner().invoke(main, ["gate", *folders, *asked]).exit_code
        return code, files.read_json(out)

    return call


def failing(content):
    return {
        finding["figure"]
        for finding in content["findings"]
        if finding["verdict"] == "fail"
    }


def with_weights(model, change):
    """Return a copy of a model whose every array of weights is changed."""
    copy = keras.models.clone_model(model)
    copy.set_weights([change(weights) for weights in model.get_weights()])
    return copy


def rescaled(model, scale):
    """Return a copy of a model whose pictures are multiplied by another `scale`."""

    def other(layer):
        if isinstance(layer, keras.layers.Rescaling):
            return keras.layers.Rescaling(scale)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=other)
    copy.set_weights(model.get_weights())
    return copy


def in_bgr(faces):
    crops = [
        dataclasses.replace(crop, plain=np.ascontiguousarray(crop.plain[..., ::-1]))
        for crop in faces.crops
    ]
    return dataclasses.replace(faces, crops=crops)


def colours_swapped(trained):
    return plain_logits(trained.model, COLOURED, in_bgr(trained.test))


def classes_shifted(trained):
    return np.roll(plain_logits(trained.model, COLOURED, trained.test), 1, axis=1)


def scaling_missing(trained):
    return plain_logits(rescaled(trained.model, 1.0), COLOURED, trained.test)


def scaled_twice(trained):
    return plain_logits(rescaled(trained.model, 1 / 255**2), COLOURED, trained.test)


def clahe_off(trained):
    face = dataclasses.replace(COLOURED.face, clahe_clip=0.0)
    without = dataclasses.replace(COLOURED, face=face)
    return plain_logits(trained.model, without, trained.test)


def fifth_of_weights_zeroed(trained):
    rng = np.random.default_rng(0)

    def zeroed(weights):
        return np.where(rng.random(weights.shape) < 0.2, 0, weights)

    return plain_logits(with_weights(trained.model, zeroed), COLOURED, trained.test)


PLANTED = (
    colours_swapped,
    classes_shifted,
    scaling_missing,
    scaled_twice,
    clahe_off,
    fifth_of_weights_zeroed,
)


def test_the_baseline_is_worth_guarding(trained, logits):
    probs = metrics.softmax(trained.calibration.scale(logits, "test"))
    summary = metrics.summary(trained.test.labels, probs)
    assert summary["macro_f1"] > 0.85
    assert summary["ece"] < 0.04


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.__name__)
def test_a_planted_fault_fails(trained, gate, fault):
    code, content = gate(fault(trained))
    assert (code, content["verdict"]) == (1, "fail")
    assert {"macro_f1", "lowest_three_f1"} <= failing(content)


def test_a_temperature_three_times_too_high_fails_by_ece(trained, logits, gate):
    temperature = 3 * trained.calibration.temperature
    flat = dataclasses.replace(trained.calibration, temperature=temperature)
    code, content = gate(logits, flat)
    assert (code, failing(content)) == (1, {"ece"})


def test_reruns_of_the_same_model_pass(trained, logits, gate):
    """Each really answers again, in other numbers, and draws another bootstrap.

    Weights move by what storing them as float16 may move them, which is far more than
    another machine's order of summing does.
    """

    def rerun(seed):
        rng = np.random.default_rng(seed)

        def rounded(weights):
            return weights * (1 + rng.uniform(-1, 1, weights.shape) * 2.0**-11)

        model = with_weights(trained.model, rounded)
        again = plain_logits(model, COLOURED, trained.test)
        assert (again != logits).any()
        return gate(again, seed=seed)

    results = [rerun(seed) for seed in range(RERUNS)]
    assert [code for code, _ in results] == [0] * RERUNS
    assert {content["verdict"] for _, content in results} == {"pass"}


def test_the_model_as_float16_passes(trained, gate):
    stored = with_weights(trained.model, lambda weights: weights.astype(np.float16))
    code, content = gate(plain_logits(stored, COLOURED, trained.test))
    assert (code, content["verdict"]) == (0, "pass")
