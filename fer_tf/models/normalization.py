"""BatchNormalization in one kernel: Ioffe and Szegedy, arXiv:1502.03167.

Keras 3 writes its training step as some ten operations, each of which reads the whole
map; without them a CPU trains a tenth to four tenths faster (`benchmarks/README.md`).
"""

from typing import Any

import keras
import tensorflow as tf

# Statistics over the last ten batches or so. The published .999 and .99 never catch
# up in a run from scratch of a few hundred steps: the model then answers one class
# for every picture, while its training loss looks well. Published weights come with
# statistics that need no catching up, and keep their momentum.
MOMENTUM = 0.9


def fused(backbone: keras.Model, momentum: float | None = None) -> keras.Model:
    """Return the same function of the same weights, normalised in one kernel.

    Args:
        backbone: a functional model; its layers keep their names.
        momentum: of all BatchNormalization's statistics; None leaves them theirs.
    """

    def twin_of(layer: keras.Layer) -> keras.Layer:
        settings = layer.get_config()
        if not isinstance(layer, keras.layers.BatchNormalization):
            return layer.__class__.from_config(settings)
        if momentum is not None:
            settings["momentum"] = momentum
        return FusedBatchNormalization.from_config(settings)

    twin = keras.models.clone_model(backbone, clone_function=twin_of)
    twin.set_weights(backbone.get_weights())
    for layer in twin.layers:
        if isinstance(layer, keras.layers.Normalization):
            # It computes with what it derived from its weights when it was built.
            layer.finalize_state()
    return twin


@keras.saving.register_keras_serializable(package="fer_tf")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer, its arguments, weights and answers; training takes less time."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised map, [batch, height, width, channels]."""
        if not (training and self.trainable) or mask is not None or not self._fuses():
            return super().call(inputs, training=training, mask=mask)
        channels = inputs.shape[-1]
        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value if self.scale else tf.ones(channels),
            offset=self.beta.value if self.center else tf.zeros(channels),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel's variance is that of a sample, n / (n - 1) times the batch's,
        # which Keras keeps. n is 1 only where the variance is 0.
        count = tf.cast(tf.size(inputs) // channels, tf.float32)
        self._keep(self.moving_mean, mean)
        self._keep(self.moving_variance, variance * (count - 1) / count)
        return normalised

    def _fuses(self) -> bool:
        # Over replicas the statistics are of the whole batch, which Keras sees to.
        return (
            self.input_spec.ndim == 4
            and self.axis in (-1, 3)
            and not self.synchronized
            # The kernel's statistics are float32, whatever the map is.
            and self.variable_dtype == "float32"
        )

    def _keep(self, moving: Any, batch: tf.Tensor) -> None:
        moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
