"""A picture on the page is the one that was answered, as the model was shown it."""

from pathlib import Path

import numpy as np
import pytest

from fer_tf.config import Config
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.data.pipeline import face_spec
from fer_tf.errors import UserError
from fer_tf.evaluation import pictures
from fer_tf.preprocess import prepare

CONFIG = Config()
MANIFEST = Path("manifest.csv")


@pytest.fixture
def pixels(monkeypatch):
    """The pictures of a manifest, by key: two of test and one of validation."""
    rng = np.random.default_rng(0)
    found = {
        key: rng.integers(0, 256, (50 + place, 60, 3), np.uint8)
        for place, key in enumerate(("a/0", "a/1", "a/2"))
    }
    splits = {"validation": ["a/2"], "test": ["a/0", "a/1"]}
    loaded = {split: faces(keys, found) for split, keys in splits.items()}
    monkeypatch.setattr(pictures.pipeline, "load", lambda config, manifest: loaded)
    return found


def faces(keys, pixels):
    count = len(keys)
    return Faces(
        keys=np.array(keys),
        crops=[crop_of(pixels[key], (), CONFIG.face.size) for key in keys],
        targets=np.eye(7, dtype=np.float32)[:count],
        labels=np.arange(count),
        sources=np.array(["a"] * count),
        groups=np.array(keys),
        agreed=np.ones(count, bool),
    )


def test_pictures_are_prepared_as_for_the_model(pixels):
    found = pictures.find(CONFIG, MANIFEST, ["a/1", "a/2"])
    assert set(found) == {"a/1", "a/2"}
    for key, picture in found.items():
        np.testing.assert_array_equal(
            picture, prepare(pixels[key], face_spec(CONFIG))
        )


def test_answers_of_another_manifest_are_told(pixels):
    with pytest.raises(UserError, match=r"manifest\.csv.*'b/9'.*\b1\b"):
        pictures.find(CONFIG, MANIFEST, ["a/1", "b/9"])
