"""A bundle of the tiny model, in any precision and with any scaling."""

import dataclasses

import pytest

from export import convert
from export.bundle import write_bundle
from fer_tf.calibration import Calibration
from fer_tf.preprocess import FaceSpec

CALIBRATION = Calibration(
    temperature=1.5,
    threshold=0.4,
    wanted_accuracy=0.9,
    threshold_reached=True,
    threshold_coverage=0.5,
    fitted_on="validation",
    n=9,
)


@pytest.fixture(scope="session")
def converted(tiny_model):
    """Convert `tiny_model`, each combination once."""
    made = {}

    def converted(precision, scaling, pictures=None):
        if (precision, scaling) not in made:
            made[precision, scaling] = convert.to_tflite(
                tiny_model, scaling, precision, pictures
            )
        return made[precision, scaling]

    return converted


@pytest.fixture
def write(converted, tmp_path, pictures):
    """Write `tiny_model`'s bundle, with changes to its calibration and to the rest."""

    def write(precision="float32", calibration=None, **changes):
        calibration = dataclasses.replace(CALIBRATION, **(calibration or {}))
        ranges = pictures if precision == "int8" else None
        facts = {
            "name": "tiny",
            "face": FaceSpec(size=32),
            "metrics": {},
            "data_digests": {},
            "smoke": False,
            "model_card": "# tiny\n",
        }
        return write_bundle(
            tmp_path / "bundle",
            converted(precision, calibration.scaling, ranges),
            calibration=calibration,
            precision=precision,
            **facts | changes,
        )

    return write
