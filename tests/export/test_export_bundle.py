"""The bundle that is written, and how it takes an older one's place."""

import re

import pytest

from export.bundle import replacing
from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.preprocess import FaceSpec
from fer_tf.runtime import bundle as schema


def test_a_bundle_reads_back_as_written(write):
    written = write(metrics={"val": {"n": 3}}, data_digests={"manifest.csv": "ab"})
    read = schema.read(written.folder)
    assert read == written
    assert read.metrics == {"val": {"n": 3}}
    assert read.face == FaceSpec(size=32)
    assert read.temperature == 1.5
    assert read.abstain == schema.Abstain(0.4, 0.9, "validation")
    assert sorted(path.name for path in read.folder.iterdir()) == sorted(
        ["bundle.json", "model.tflite", "labels.txt", "MODEL_CARD.md"]
    )
    assert (read.folder / "labels.txt").read_text().split() == list(CLASSES)


def test_thresholds_and_vector_scaling_are_written_and_read_back(write):
    weights, biases = (0.5,) * 7, tuple(range(7))
    bundle = write(
        calibration={
            "set_threshold": 0.1,
            "wanted_coverage": 0.9,
            "weights": weights,
            "biases": biases,
        }
    )
    assert bundle.prediction_sets == schema.PredictionSets(0.1, 0.9, "validation")
    assert bundle.vector == schema.Vector(weights, biases)


def test_a_bundle_without_them_says_nothing_of_them(write):
    content = write().to_dict()
    assert "prediction_sets" not in content
    assert "vector" not in content


@pytest.fixture
def older(tmp_path):
    """A folder that looks like a bundle."""
    files.write_text(tmp_path / "bundle" / schema.MANIFEST, "older")
    files.write_text(tmp_path / "bundle" / "left_over.txt", "")
    return tmp_path / "bundle"


def test_a_bundle_replaces_an_older_one_whole(older):
    with replacing(older) as folder:
        files.write_text(folder / schema.MANIFEST, "newer")
        assert (older / schema.MANIFEST).read_text() == "older"
    assert [path.name for path in older.iterdir()] == [schema.MANIFEST]
    assert (older / schema.MANIFEST).read_text() == "newer"
    assert list(older.parent.iterdir()) == [older]


def test_a_write_that_fails_leaves_the_older_bundle_and_nothing_else(older):
    with pytest.raises(ZeroDivisionError):
        with replacing(older) as folder:
            files.write_text(folder / schema.MANIFEST, "newer")
            raise ZeroDivisionError
    assert (older / schema.MANIFEST).read_text() == "older"
    assert list(older.parent.iterdir()) == [older]


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    files.write_text(tmp_path / "bundle" / "thesis.txt", "years of work")
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "bundle"))):
        with replacing(tmp_path / "bundle"):
            raise ZeroDivisionError("before anything is done")
    assert (tmp_path / "bundle" / "thesis.txt").read_text() == "years of work"
