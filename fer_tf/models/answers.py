"""What a model says of pictures."""

import functools
from collections.abc import Callable
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf


def answers(model: keras.Model, images: Iterable[tf.Tensor]) -> np.ndarray:
    """Return the logits [n, 7] of batches of pictures, in their order.

    On this process' first device, whatever replicas the model was built for: Keras'
    own `predict` has every replica answer every picture.
    """
    forward = _forward(model)
    return np.concatenate([forward(batch).numpy() for batch in images])


# It is traced once for all epochs of a training.
@functools.lru_cache(maxsize=1)
def _forward(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(reduce_retracing=True)
    def forward(batch: tf.Tensor) -> tf.Tensor:
        return model(batch, training=False)

    return forward
