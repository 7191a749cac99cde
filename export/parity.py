"""Does the bundle answer what the Keras model answers?"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from fer_tf.errors import CheckFailed
from fer_tf.runtime.bundle import Bundle
from fer_tf.runtime.classifier import Classifier
from fer_tf.runtime.classifier import softmax

BATCH_SIZE = 64


@dataclass(frozen=True)
class Tolerance:
    """The largest difference of a probability, and the least share of same labels."""

    max_difference: float
    same_labels: float


TOLERANCES = {
    "float32": Tolerance(1e-5, 1.0),
    "float16": Tolerance(1e-2, 0.995),
}


def check(
    model: keras.Model, bundle: Bundle, inputs: np.ndarray, temperature: float
) -> dict[str, Any]:
    """Compare the bundle with the model it was made from.

    Args:
        model: RGB [batch, size, size, 3] in 0..255 to logits [batch, 7].
        inputs: uint8 [n, size, size, 3], prepared faces.

    Returns:
        `n`, `max_difference` of the probabilities, share of `same_labels`, and the
        `tolerance` of each.

    Raises:
        CheckFailed: they differ by more than `TOLERANCES[bundle.precision]`.
    """
    if not len(inputs):
        raise ValueError("parity needs at least one input, received 0.")
    expected = _keras_probabilities(model, inputs, temperature)
    classifier = Classifier(bundle)
    received = np.concatenate([classifier.classify(part) for part in _parts(inputs)])
    tolerance = TOLERANCES[bundle.precision]
    found = {
        "n": len(inputs),
        "max_difference": float(np.abs(received - expected).max()),
        "same_labels": float((received.argmax(-1) == expected.argmax(-1)).mean()),
        "tolerance": vars(tolerance).copy(),
    }
    # Written so that NaN, whose comparisons are all false, fails as well.
    close = found["max_difference"] <= tolerance.max_difference
    if not (close and found["same_labels"] >= tolerance.same_labels):
        raise CheckFailed(
            f"the bundle {bundle.folder} differs from its Keras model on {len(inputs)} "
            f"inputs: probabilities by up to {found['max_difference']:.2g} (at most "
            f"{tolerance.max_difference:g}), same labels {found['same_labels']:.2%} "
            f"(at least {tolerance.same_labels:.1%})."
        )
    return found


def _keras_probabilities(
    model: keras.Model, inputs: np.ndarray, temperature: float
) -> np.ndarray:
    logits = [
        np.asarray(model(part.astype(np.float32), training=False), np.float32)
        for part in _parts(inputs)
    ]
    return softmax(np.concatenate(logits), temperature)


def _parts(inputs: np.ndarray) -> list[np.ndarray]:
    return np.split(inputs, range(BATCH_SIZE, len(inputs), BATCH_SIZE))
