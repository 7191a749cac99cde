"""What the tests of several rooms share."""

import os
from pathlib import Path

import numpy as np
import pytest

from fer_tf.live import yunet_model
from fer_tf.metrics import bootstrap
from fer_tf.preprocess import FaceSpec

SHARED = Path(__file__).parents[2] / "shared"
LIMIT = "call_limit_s"


def pytest_addoption(parser):
    parser.addini(LIMIT, "Seconds that a test's call may take unless marked slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail a test that takes long and is not marked so: the default suite stays short.

    Only the call counts: whichever test comes first pays for a shared fixture's set-up.
    On a machine that has other work the limit rises with the load.
    """
    report = yield
    limit_s = float(item.config.getini(LIMIT)) * max(1.0, load())
    is_slow = item.get_closest_marker("slow") is not None
    if report.when == "call" and report.passed and not is_slow:
        if report.duration > limit_s:
            report.outcome = "failed"
            report.longrepr = (
                f"{item.nodeid} took {report.duration:.1f} s, and {LIMIT} is "
                f"{limit_s:.1f}. Make it faster, or mark it `@pytest.mark.slow`."
            )
    return report


def load():
    """Return how many processes want each core; Windows does not tell."""
    loadavg = getattr(os, "getloadavg", lambda: [0.0])
    return loadavg()[0] / (os.cpu_count() or 1)


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    """Draw 100 bootstrap samples where a test names no number: 1,000 take long."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bootstrap, "RESAMPLES", 100)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real media and models kept beside a checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED}: real media and models are kept beside a checkout")
    return SHARED


@pytest.fixture(scope="session")
def detector_model(shared) -> Path:
    """The file of the face detector."""
    path = shared / "models" / yunet_model.FILE_NAME
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


@pytest.fixture(scope="session")
def ferplus_columns() -> dict[str, str]:
    """FERPlus' columns in their order, each with our class; "" is left out."""
    return {
        "neutral": "Neutral",
        "happiness": "Happy",
        "surprise": "Surprise",
        "sadness": "Sad",
        "anger": "Angry",
        "disgust": "Disgust",
        "fear": "Fear",
        "contempt": "",
        "unknown": "",
        "NF": "",
    }


@pytest.fixture(scope="session")
def tiny_model():
    """An untrained Keras model of RGB [batch, 32, 32, 3] in 0..255 to logits [., 7]."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    picture = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(picture)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(picture, keras.layers.Dense(7)(x))


@pytest.fixture(scope="session")
def backbone():
    """A function that makes a builder for `models.MODELS`: one layer of `filters`.

    It stands in for an architecture where the test is of what is done with any.
    """
    keras = pytest.importorskip("keras")

    def of(filters):
        def build(side, imagenet=False):
            image = keras.Input((side, side, 3))
            x = keras.layers.Rescaling(1 / 127.5, -1)(image)
            conv = keras.layers.Conv2D(
                filters, 5, strides=4, use_bias=False, name="conv"
            )
            x = keras.layers.BatchNormalization(name="norm")(conv(x))
            x = keras.layers.ReLU()(x)
            return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))

        return build

    return of


@pytest.fixture(scope="session")
def tiny_bundle(tiny_model, tmp_path_factory) -> Path:
    """The folder of `tiny_model`'s bundle; read it, never write to it."""
    from export import convert
    from export.bundle import write_bundle
    from fer_tf.calibration import Calibration

    calibration = Calibration(
        temperature=1.5,
        threshold=0.3,
        wanted_accuracy=0.9,
        threshold_reached=True,
        threshold_coverage=1.0,
        fitted_on="validation",
        n=10,
    )
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    write_bundle(
        folder,
        convert.to_tflite(tiny_model, calibration.scaling, "float32"),
        name="tiny",
        face=FaceSpec(size=32),
        calibration=calibration,
        precision="float32",
        metrics={"val": {}},
        data_digests={"manifest.csv": "0" * 64},
        smoke=True,
        model_card="# tiny\n",
    )
    return folder


@pytest.fixture
def pictures() -> np.ndarray:
    """Nine prepared pictures of noise, uint8 [9, 32, 32, 3]."""
    noise = np.random.default_rng(0)
    return noise.integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def answer():
    """A function that makes up a model's predictions, always of the same records.

    `answer(name, skill=2.0, scale=1.0, views=0)`: `skill` raises the label's logit
    over noise of deviation 1 that `name` seeds; `scale` multiplies all logits; with
    `views` there is a training split as well.
    """
    from fer_tf.predictions import Predictions
    from fer_tf.predictions import SplitPredictions

    sizes = {"train": 210, "validation": 420, "test": 420}

    def make(name, skill=2.0, scale=1.0, views=0):
        noise = np.random.default_rng([*name.encode()])
        splits = {}
        for split, count in sizes.items():
            labels = np.arange(count) % 7
            shape = (count, views, 7) if split == "train" else (count, 7)
            target = np.eye(7)[labels].reshape(count, *[1] * (len(shape) - 2), 7)
            splits[split] = SplitPredictions(
                keys=[f"{'ab'[row % 2]}/{split}{row}" for row in range(count)],
                labels=labels,
                sources=["ab"[row % 2] for row in range(count)],
                groups=[f"{split}{row // 2}" for row in range(count)],
                distribution=np.eye(7)[labels],
                agreed=np.ones(count, bool),
                logits=scale * (skill * target + noise.normal(size=shape)),
            )
        if not views:
            del splits["train"]
        return Predictions(name, 0, splits)

    return make
