"""A model scored on validation after every epoch."""

import keras
import numpy as np
import tensorflow as tf

from fer_tf import metrics
from fer_tf import models
from fer_tf.config import Config
from fer_tf.data import pipeline
from fer_tf.data.pipeline import Faces
from fer_tf.errors import CheckFailed
from fer_tf.labels import CLASSES
from fer_tf.labels import NUM_CLASSES
from fer_tf.preprocess import prepare

BATCH_SIZE = 128
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "nll", "ece")


class Validation:
    """Scores a model on validation, and keeps its predictions.

    Args:
        config: how an image becomes the model's input.
        faces: the validation split, from which the class prior is taken.
        domains: the images of `data.validate_on`; None where it names no source.

    Attributes:
        labels: int64 [n].
        probs: [n, 7], of the model scored last.
    """

    def __init__(
        self, config: Config, faces: Faces, domains: Faces | None = None
    ) -> None:
        self.labels = faces.labels
        self.probs = np.zeros((0, NUM_CLASSES))
        self._crops = faces.crops
        self._spec = pipeline.face_spec(config)
        self._batches = pipeline.plain_batches(faces, self._spec, BATCH_SIZE)
        self._domains = domains

    def __call__(self, model: keras.Model) -> dict[str, float]:
        """Return the model's metrics.

        Returns:
            `METRICS` and `balanced_nll` by name, `recall/<class>` for each class, and
            for each source in `data.validate_on` the same metrics as
            `<source>/<metric>`, under the class prior of validation.

        Raises:
            CheckFailed: The logits hold NaN or infinity.
        """
        self.probs = _probs(model, self._batches)
        prior = metrics.source_prior(self.probs)
        values = _metrics(self.labels, self.probs, prior)
        recalls = metrics.per_class_recall(self.labels, self.probs.argmax(axis=1))
        for name, recall in zip(CLASSES, recalls.tolist(), strict=True):
            values[f"recall/{name}"] = recall
        if self._domains:
            values |= self._domain_metrics(model, self._domains, prior)
        return values

    def _domain_metrics(
        self, model: keras.Model, domains: Faces, prior: np.ndarray
    ) -> dict[str, float]:
        probs = _probs(model, pipeline.plain_batches(domains, self._spec, BATCH_SIZE))
        values = {}
        for source in np.unique(domains.sources):
            rows = domains.sources == source
            found = _metrics(domains.labels[rows], probs[rows], prior)
            values |= {f"{source}/{name}": value for name, value in found.items()}
        return values

    def picture(self, row: int) -> np.ndarray:
        """Return an image as the model sees it, uint8 [size, size, 3]."""
        return prepare(self._crops[row].plain, self._spec)


def _metrics(
    labels: np.ndarray, probs: np.ndarray, prior: np.ndarray
) -> dict[str, float]:
    summary = metrics.summary(labels, probs)
    values = {name: summary[name] for name in METRICS}
    return {**values, "balanced_nll": metrics.balanced_nll(labels, probs, prior)}


def _probs(model: keras.Model, batches: tf.data.Dataset) -> np.ndarray:
    logits = models.answers(model, (batch["image"] for batch in batches))
    # BatchNormalization keeps a training loss finite whatever the weights are.
    if not np.isfinite(logits).all():
        raise CheckFailed(
            "the model predicts NaN or infinity on validation, though its loss was "
            "finite. Try a lower train.learning_rate."
        )
    return metrics.softmax(logits)
