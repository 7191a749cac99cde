"""Teachers that answer within the step, the very pixels that the student sees."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import tensorflow as tf
from keras import ops

from fer_tf.fusion.pool import Pool
from fer_tf.training.step import Batch
from fer_tf.training.step import Losses
from fer_tf.training.step import Task


@dataclass(frozen=True, eq=False)
class Live:
    """A task whose batches get their soft labels from teachers, as they come.

    The teachers are frozen: they infer, so that no statistics of theirs move either,
    and the task's gradient ends at their answers.

    Attributes:
        task: it is given batches with "soft_label", as `Distilled` needs them.
        teachers: by name; each prepares pixels in its own way, inside.
        pool: how they are fused.
    """

    task: Task
    teachers: Mapping[str, keras.Model]
    pool: Pool

    def __post_init__(self) -> None:
        for teacher in self.teachers.values():
            teacher.trainable = False

    def __call__(self, logits: tf.Tensor, batch: Batch) -> Losses:
        """Return what the task returns."""
        answers = {
            name: teacher(batch["image"], training=False)
            for name, teacher in self.teachers.items()
        }
        soft_label = tf.stop_gradient(log_probs(self.pool, answers))
        return self.task(logits, {**batch, "soft_label": soft_label})


def log_probs(pool: Pool, logits: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return `pool.log_probs` of logits [batch, 7] by teacher, in float32."""
    pooled = sum(
        tf.constant(weight, tf.float32)
        * ops.log_softmax(logits[name] / pool.temperatures[name], axis=-1)
        for name, weight in pool.weights.items()
    )
    return ops.log_softmax(pooled / pool.temperature, axis=-1)
