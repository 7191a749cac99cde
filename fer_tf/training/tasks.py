"""What is learnt: a task turns logits and a batch into named per-example losses.

The loop minimises the mean of `loss` and logs the mean of every part; it knows no
task by name.
"""

from dataclasses import dataclass

import tensorflow as tf

from fer_tf.config import DistillConfig
from fer_tf.config import TrainConfig
from fer_tf.errors import unknown_name
from fer_tf.losses import DISTILLATION
from fer_tf.losses import adjusted
from fer_tf.losses import complement
from fer_tf.losses import cross_entropy
from fer_tf.losses import dkd
from fer_tf.losses import effective_number_weights
from fer_tf.losses import focal
from fer_tf.losses import is_unsure
from fer_tf.losses import kd
from fer_tf.losses import negative_learning
from fer_tf.losses import smoothed
from fer_tf.losses import with_margin
from fer_tf.models.head import ARCFACE
from fer_tf.models.head import LINEAR
from fer_tf.models.head import SCALE

Losses = dict[str, tf.Tensor]

_BY_COUNTS = ("effective_number", "logit_adjustment")


@dataclass(frozen=True)
class Supervised:
    """Cross entropy against the records' distributions, its classes corrected once.

    With negative learning where a recipe asks for it and the gate is open. An arcface
    head has its margin in the cross entropy, before the correction, which is of
    logits, not of angles; how unsure the model is, and what it is told a picture is
    not, go by the logits it answers with, corrected for the classes' counts where
    `imbalance` is logit_adjustment.

    Attributes:
        train: smoothing, the correction, negative learning, and the margin.
        class_counts: how often an epoch shows each class, for what corrects by it.
        head: of the model whose logits these are.
    """

    train: TrainConfig = TrainConfig()
    class_counts: tuple[int, ...] = ()
    head: str = LINEAR

    def __post_init__(self) -> None:
        if self.train.imbalance in _BY_COUNTS and not self.class_counts:
            raise ValueError(
                f"`class_counts` must be given for imbalance {self.train.imbalance!r}."
            )

    def __call__(self, logits: tf.Tensor, batch: dict[str, tf.Tensor]) -> Losses:
        """Return "loss" and its parts: "cross_entropy", as it is corrected, and where
        asked for "negative" and "negative_applies", the gate: [batch]."""
        targets = smoothed(
            targets=batch["target"], label_smoothing=self.train.label_smoothing
        )
        positive = self._cross_entropy(
            targets, self._adjusted(self._with_margin(logits, batch))
        )
        if not self.train.negative:
            return {"loss": positive, "cross_entropy": positive}
        logits = self._adjusted(logits)
        negative = negative_learning(
            negatives=complement(targets=targets), logits=logits
        )
        applies = is_unsure(logits=logits, least_entropy=self.train.negative_entropy)
        return {
            "loss": positive + self.train.negative * applies * negative,
            "cross_entropy": positive,
            "negative": negative,
            "negative_applies": applies,
        }

    def _with_margin(self, logits: tf.Tensor, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        if self.head != ARCFACE or not self.train.margin:
            return logits
        margin = self.train.margin * _ramped(batch, self.train.margin_epochs)
        return with_margin(
            targets=batch["target"], logits=logits, margin=margin, scale=SCALE
        )

    def _adjusted(self, logits: tf.Tensor) -> tf.Tensor:
        if self.train.imbalance != "logit_adjustment":
            return logits
        return adjusted(logits=logits, class_counts=self.class_counts)

    def _cross_entropy(self, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        if self.train.imbalance == "focal":
            return focal(targets=targets, logits=logits)
        if self.train.imbalance == "effective_number":
            weights = effective_number_weights(class_counts=self.class_counts)
            targets = targets * weights
        return cross_entropy(targets=targets, logits=logits)


@dataclass(frozen=True)
class Distilled:
    """(1 - a) CE + a r T^2 D against the fused teachers' answers to the same view.

    r rises from 0 to 1 over the first `warmup_epochs`, as in DKD's own training
    (arXiv:2203.08679).
    CE is the loss that `Supervised` makes of `config.train` and `class_counts`. D has
    the logits as they are: whatever corrects classes was the teachers' to do.
    """

    loss: str
    config: DistillConfig
    class_counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.loss not in DISTILLATION:
            raise unknown_name("loss", self.loss, DISTILLATION)

    def __call__(self, logits: tf.Tensor, batch: dict[str, tf.Tensor]) -> Losses:
        """Return "loss", the parts of `Supervised`, and "divergence": [batch]."""
        hard = Supervised(self.config.train, self.class_counts)(logits, batch)
        soft = self._divergence(logits, batch)
        weight, scale = self.config.weight, self.config.temperature**2
        scale *= _ramped(batch, self.config.warmup_epochs)
        return {
            **hard,
            "loss": (1 - weight) * hard["loss"] + weight * scale * soft,
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


def _ramped(batch: dict[str, tf.Tensor], epochs: float) -> tf.Tensor | float:
    """Return what grows from 0 to 1 over the first `epochs`, [batch]; 1 without any.

    It comes from the batch, so that a resumed run has the same.
    """
    return tf.minimum(batch["epochs_passed"] / epochs, 1.0) if epochs else 1.0
