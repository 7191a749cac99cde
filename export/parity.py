"""Does the bundle answer what the Keras model answers?"""

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fer_tf.errors import CheckFailed
from fer_tf.runtime.bundle import Bundle
from fer_tf.runtime.classifier import Classifier

BATCH_SIZE = 64


@dataclass(frozen=True)
class Tolerance:
    """The largest difference of a probability, and the least share of same labels."""

    max_difference: float
    same_labels: float


# Weights or activations in 8 bits answer otherwise, and are judged by what they lose:
# see `export.refit`.
TOLERANCES = {
    "float32": Tolerance(1e-5, 1.0),
    "float16": Tolerance(1e-2, 0.995),
}


def model_logits(model: keras.Model, batches: Iterable[np.ndarray]) -> np.ndarray:
    """Return the Keras model's logits, float32 [n, 7].

    On the CPU: a GPU may round what it multiplies to 10 bits.

    Args:
        model: RGB [batch, size, size, 3] in 0..255 to logits [batch, 7].
        batches: uint8 [batch, size, size, 3] each, prepared faces.
    """
    with tf.device("CPU:0"):
        answers = [
            np.asarray(model(tf.cast(batch, tf.float32), training=False), np.float32)
            for batch in batches
        ]
    return np.concatenate(answers)


def bundle_probabilities(
    bundle: Bundle, batches: Iterable[Sequence[np.ndarray]]
) -> np.ndarray:
    """Return what the live view's classifier answers, float32 [n, 7].

    Args:
        batches: framed faces of any size, as `preprocess.prepare` takes them.
    """
    classifier = Classifier(bundle)
    return np.concatenate([classifier(crops) for crops in batches])


def check(
    bundle: Bundle, received: np.ndarray, expected: np.ndarray
) -> dict[str, Any]:
    """Compare a bundle's answers with those of the model that it was made from.

    Args:
        received: the bundle's probabilities, [n, 7].
        expected: the model's, of the same faces.

    Returns:
        `n`, `max_difference` of the probabilities, share of `same_labels`, and the
        `tolerance` of each where the precision has any.

    Raises:
        CheckFailed: they differ by more than `TOLERANCES[bundle.precision]`, or one of
            the bundle's is no number.
    """
    if not len(received):
        raise ValueError("parity needs at least one face, received 0.")
    same = received.argmax(-1) == expected.argmax(-1)
    found = {
        "n": len(received),
        "max_difference": float(np.abs(received - expected).max()),
        "same_labels": float(same.mean()),
    }
    tolerance = TOLERANCES.get(bundle.precision, Tolerance(1.0, 0.0))
    if bundle.precision in TOLERANCES:
        found["tolerance"] = vars(tolerance).copy()
    # Written so that NaN, whose comparisons are all false, fails as well.
    close = found["max_difference"] <= tolerance.max_difference
    if not (close and found["same_labels"] >= tolerance.same_labels):
        raise CheckFailed(
            f"the bundle {bundle.name} differs from its Keras model on "
            f"{len(received)} faces: probabilities by up to "
            f"{found['max_difference']:.2g} (at most {tolerance.max_difference:g}), "
            f"same labels {found['same_labels']:.2%} (at least "
            f"{tolerance.same_labels:.1%})."
        )
    return found
