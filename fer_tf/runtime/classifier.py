"""Crops of faces to calibrated probabilities."""

import threading
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.labels import NUM_CLASSES
from fer_tf.preprocess import prepare
from fer_tf.runtime import interpreter
from fer_tf.runtime.bundle import MODEL
from fer_tf.runtime.bundle import Bundle

INPUT = "crops"


class Classifier:
    """A bundle's model, ready to run.

    Threads may share it: calls of the model run one after the other. A process gets its
    own by pickling, which loads the bundle's model file again.

    Example:
        >>> classifier = Classifier(bundle.read(folder))  # doctest: +SKIP
        >>> classifier([face_rgb, other_face_rgb]).shape  # doctest: +SKIP
        (2, 7)
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.bundle = bundle
        self._threads = threads
        self._logits = bundle.output == "logits"
        # The interpreter keeps the input and the output of one call in its tensors.
        self._lock = threading.Lock()
        self._run = _signature(interpreter.load(bundle.model, threads), bundle)

    def __reduce__(self) -> tuple[Callable[..., "Classifier"], tuple[Bundle, int]]:
        """Return how to load the model again: an interpreter cannot be pickled."""
        return _load_again, (self.bundle, self._threads)

    def __call__(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Return calibrated probabilities float32 [n, 7] of `n` faces, in one call.

        Args:
            crops: framed faces of any size, each as `preprocess.prepare` takes it.
        """
        size = self.bundle.face.size
        inputs = np.empty((len(crops), size, size, 3), np.uint8)
        for row, crop in zip(inputs, crops, strict=True):
            row[:] = prepare(crop, self.bundle.face)
        return self.classify(inputs)

    def classify(self, inputs: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities float32 [n, 7] of prepared faces.

        Args:
            inputs: uint8 [n, size, size, 3], as `preprocess.prepare` makes them.
        """
        size = self.bundle.face.size
        if inputs.dtype != np.uint8 or inputs.shape[1:] != (size, size, 3):
            raise ValueError(
                f"`inputs` must be uint8 [n, {size}, {size}, 3], received "
                f"{inputs.dtype} {list(inputs.shape)}."
            )
        if not len(inputs):
            return np.empty((0, NUM_CLASSES), np.float32)
        with self._lock:
            # `astype` copies what may be a view of memory that the next call writes to.
            output = self._run(**{INPUT: inputs})[self.bundle.output].astype(np.float32)
        return calibrated(output, self.bundle) if self._logits else output


def _load_again(bundle: Bundle, threads: int) -> Classifier:
    """Return the classifier that was pickled.

    Raises:
        UserError: The bundle's model file is missing or has changed since.
    """
    expected = bundle.sha256.get(MODEL)
    received = files.sha256_of(bundle.model) if bundle.model.is_file() else "no file"
    if received != expected:
        raise UserError(
            f"the pickled classifier needs {bundle.model} with SHA-256 {expected}, "
            f"received {received}. Load the bundle again with fer_tf.load()."
        )
    return Classifier(bundle, threads)


def _signature(loaded: Any, bundle: Bundle) -> Any:
    """Return the model's one signature: a callable of named arrays to named arrays.

    It resizes the input tensor only when the batch's size changes.
    """
    expected = {"inputs": [INPUT], "outputs": [bundle.output]}
    received = loaded.get_signature_list()
    if list(received.values()) != [expected]:
        raise UserError(
            f"{bundle.model} must have one signature {expected}, received {received}. "
            "Export it again."
        )
    size = bundle.face.size
    shape = loaded.get_input_details()[0]["shape_signature"].tolist()
    if shape != [-1, size, size, 3]:
        raise UserError(
            f"{bundle.model} must take [any, {size}, {size}, 3], as the bundle's face "
            f"says; it takes {shape}. Export it again."
        )
    answers = loaded.get_output_details()[0]["shape"].tolist()
    if answers != [1, NUM_CLASSES]:
        raise UserError(
            f"{bundle.model} must answer {NUM_CLASSES} numbers for a face; it answers "
            f"{answers}. Export it again."
        )
    return loaded.get_signature_runner()


def calibrated(logits: np.ndarray, bundle: Bundle) -> np.ndarray:
    """Return the probabilities that a bundle makes of its model's logits, float32.

    softmax(w * (logits / T) + b), or softmax(logits / T) without vector scaling.
    """
    scaled = logits / np.float32(bundle.temperature)
    if bundle.vector:
        scaled *= np.array(bundle.vector.weights, np.float32)
        scaled += np.array(bundle.vector.biases, np.float32)
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
