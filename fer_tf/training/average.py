"""The moving average of a model's weights, which is often better than the last ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf


class Average:
    """An exponential moving average of the weights, normalisation's statistics too.

    a <- d a + (1 - d) w with d = min(momentum, (1 + n) / (10 + n)) at the n-th update,
    as in `tf.train.ExponentialMovingAverage`: early on, an average over the first
    draw of the weights would be worse than none. Statistics of BatchNormalization are
    averaged alike, for the averaged weights' features are not those that the last
    weights' statistics were taken of.

    Args:
        momentum: 0 keeps no average: `update` and `applied` then do nothing.
        strategy: the one that `model` was built under.
    """

    def __init__(
        self, model: keras.Model, momentum: float, strategy: tf.distribute.Strategy
    ) -> None:
        self._momentum = momentum
        self._strategy = strategy
        # Normalization counts what it has seen, in whole numbers.
        weights = [each.value for each in model.weights if each.dtype == "float32"]
        self._weights = weights if momentum else []
        with strategy.scope():
            self.variables = [
                tf.Variable(each.numpy(), trainable=False) for each in self._weights
            ]

    def update(self, count: tf.Tensor) -> None:
        """Take in the weights as they are; `count` updates were before this one."""
        count = tf.cast(count, tf.float32)
        kept = tf.minimum(self._momentum, (1 + count) / (10 + count))

        def blend(average: tf.Variable, weight: tf.Tensor, kept: tf.Tensor) -> None:
            average.assign(average + (1 - kept) * (weight - average))

        for average, weight in zip(self.variables, self._weights, strict=True):
            self._strategy.extended.update(
                average, blend, args=(weight, kept), group=False
            )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the average; after the context it has its own weights back."""
        own = [each.numpy() for each in self._weights]
        _assign(self._weights, [each.numpy() for each in self.variables])
        try:
            yield
        finally:
            _assign(self._weights, own)


def _assign(variables: list[tf.Variable], values: list) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
