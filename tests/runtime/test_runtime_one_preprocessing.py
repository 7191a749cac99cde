"""A picture is the same bytes to the model in training and in the live view."""

import numpy as np
import pytest

pytest.importorskip("tensorflow_datasets")

from fer_tf.data import pipeline  # noqa: E402
from fer_tf.data.crops import crop_of  # noqa: E402
from fer_tf.data.pipeline import Faces  # noqa: E402
from fer_tf.preprocess import FaceSpec  # noqa: E402
from fer_tf.runtime import bundle as schema  # noqa: E402
from fer_tf.runtime.classifier import Classifier  # noqa: E402

SIDES = [(31, 47), (48, 48), (32, 32), (97, 33), (201, 160), (1, 1)]


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    """The live view's, of an input of 32 pixels."""
    return Classifier(schema.read(tiny_bundle))


def trained_on(pictures, spec):
    """What training's path makes of pictures, uint8 [n, size, size, 3]."""
    count = len(pictures)
    faces = Faces(
        keys=np.array([f"a/{row}" for row in range(count)]),
        crops=[crop_of(picture, (), spec.size) for picture in pictures],
        targets=np.eye(7, dtype=np.float32)[np.arange(count) % 7],
        labels=np.arange(count) % 7,
        sources=np.array(["a"] * count),
        groups=np.array([f"a/{row}" for row in range(count)]),
        agreed=np.ones(count, bool),
    )
    batches = pipeline.plain_batches(faces, spec, 4)
    return np.concatenate([batch["image"].numpy() for batch in batches])


def shown_live(pictures, classifier, monkeypatch):
    """What the live view's classifier hands to its model."""
    seen = []
    monkeypatch.setattr(classifier, "classify", seen.append)
    classifier(pictures)
    return seen[0]


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)], ids=str)
def test_training_and_live_see_the_same_bytes(classifier, monkeypatch, channels):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*side, *channels), np.uint8) for side in SIDES]
    live = shown_live(pictures, classifier, monkeypatch)
    trained = trained_on(pictures, classifier.bundle.face)
    assert live.dtype == trained.dtype == np.uint8
    np.testing.assert_array_equal(live, trained)
    assert len(np.unique(live[0])) > 50, "they are pictures"


def test_a_tinted_picture_is_shown_as_its_grey_self(classifier, monkeypatch):
    """In both paths, to the byte: each tint has the luminance of a grey level."""
    assert classifier.bundle.face.grey
    grey = np.random.default_rng(1).integers(60, 200, (32, 32), np.uint8)
    tinted = same_luminance(grey)
    assert np.ptp(tinted.astype(int), axis=2).min() >= 40, "it is far from grey"
    as_grey, as_tinted = shown_live([grey, tinted], classifier, monkeypatch)
    np.testing.assert_array_equal(as_tinted, as_grey)
    spec = FaceSpec(size=32)
    np.testing.assert_array_equal(*trained_on([grey, tinted], spec))


def same_luminance(grey):
    """Return an orange picture whose luminance (Rec. 601, rounded) is `grey`."""
    red = grey.astype(int) + 30
    blue = grey.astype(int) - 30
    green = np.rint((grey - 0.299 * red - 0.114 * blue) / 0.587)
    return np.dstack([red, green, blue]).astype(np.uint8)
