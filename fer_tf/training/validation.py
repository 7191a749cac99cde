"""A model scored on validation after every epoch."""

import keras
import numpy as np

from fer_tf import metrics
from fer_tf import models
from fer_tf.config import Config
from fer_tf.data import pipeline
from fer_tf.data.pipeline import Faces
from fer_tf.errors import CheckFailed
from fer_tf.labels import NUM_CLASSES
from fer_tf.preprocess import prepare

FIGURES = ("accuracy", "macro_f1", "nll", "ece")


class Validation:
    """Scores a model on validation, and keeps its answers.

    Attributes:
        labels: int64 [n].
        probs: [n, 7], of the model scored last.
    """

    def __init__(self, config: Config, faces: Faces) -> None:
        self.labels = faces.labels
        self.probs = np.zeros((0, NUM_CLASSES))
        self._crops = faces.crops
        self._spec = pipeline.face_spec(config)
        self._batches = pipeline.plain_batches(faces, self._spec, 128)

    def __call__(self, model: keras.Model) -> dict[str, float]:
        """Return the model's `FIGURES`.

        Raises:
            CheckFailed: its answers are no numbers.
        """
        logits = models.answers(model, (batch["image"] for batch in self._batches))
        # BatchNormalization keeps a training loss finite whatever the weights are.
        if not np.isfinite(logits).all():
            raise CheckFailed(
                "the model answers NaN or infinity on validation, though its loss was "
                "finite. Try a lower train.learning_rate."
            )
        self.probs = metrics.softmax(logits)
        summary = metrics.summary(self.labels, self.probs)
        return {name: summary[name] for name in FIGURES}

    def picture(self, row: int) -> np.ndarray:
        """Return a picture as the model sees it, uint8 [size, size, 3]."""
        return prepare(self._crops[row].plain, self._spec)
