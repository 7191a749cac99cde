"""What is learnt: a task turns logits and a batch into named per-example losses.

The loop minimises the mean of `loss` and logs the mean of every part; it knows no
task by name.
"""

from dataclasses import dataclass

import tensorflow as tf

from fer_tf.config import DistillConfig
from fer_tf.errors import unknown_name
from fer_tf.losses import DISTILLATION
from fer_tf.losses import cross_entropy
from fer_tf.losses import dkd
from fer_tf.losses import kd

Losses = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Supervised:
    """Cross entropy against the records' distributions."""

    label_smoothing: float = 0.0

    def __call__(self, logits: tf.Tensor, batch: dict[str, tf.Tensor]) -> Losses:
        """Return {"loss": [batch]}."""
        return {
            "loss": cross_entropy(
                targets=batch["target"],
                logits=logits,
                label_smoothing=self.label_smoothing,
            )
        }


@dataclass(frozen=True)
class Distilled:
    """(1 - a) CE + a T^2 D against the fused teachers' answers to the same view."""

    loss: str
    config: DistillConfig

    def __post_init__(self) -> None:
        if self.loss not in DISTILLATION:
            raise unknown_name("loss", self.loss, DISTILLATION)

    def __call__(self, logits: tf.Tensor, batch: dict[str, tf.Tensor]) -> Losses:
        """Return "loss" and its parts, "cross_entropy" and "divergence": [batch]."""
        hard = cross_entropy(
            targets=batch["target"],
            logits=logits,
            label_smoothing=self.config.train.label_smoothing,
        )
        soft = self._divergence(logits, batch)
        weight, scale = self.config.weight, self.config.temperature**2
        return {
            "loss": (1 - weight) * hard + weight * scale * soft,
            "cross_entropy": hard,
            "divergence": soft,
        }

    def _divergence(self, logits: tf.Tensor, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        given = {
            "teacher_logits": batch["soft_label"],
            "logits": logits,
            "temperature": self.config.temperature,
        }
        if self.loss == "kd":
            return kd(**given)
        return dkd(
            **given,
            target_index=tf.argmax(batch["target"], axis=-1),
            alpha=self.config.alpha,
            beta=self.config.beta,
        )
