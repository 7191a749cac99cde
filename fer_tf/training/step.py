"""One step of training: forward, backward, and an update on all replicas at once."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from fer_tf.config import TrainConfig
from fer_tf.errors import UserError
from fer_tf.training.average import Average

Batch = dict[str, tf.Tensor]
Losses = dict[str, tf.Tensor]
Gradients = tuple[list[tf.Tensor], Losses]
Task = Callable[[tf.Tensor, Batch], Losses]
Step = Callable[[Batch], Losses]


def make_step(
    model: keras.Model,
    task: Task,
    optimizer: keras.optimizers.Optimizer,
    average: Average,
    config: TrainConfig,
    strategy: tf.distribute.Strategy,
) -> Step:
    """Return one step: a batch to its mean losses, the norm of their gradient, and
    "skipped_steps", 0 or 1.

    Where it is 1, no variable has changed (weights, optimiser, statistics of
    normalisation, random states), and the other values are 0. The batch is shared out
    by `strategy`; means are over all of it. To be called under `strategy.scope()`.
    """
    variables = model.trainable_variables
    others = [each.value for each in model.non_trainable_variables]
    gradients_of = _gradients_of(model, task, config, strategy)

    def forward(batch: Batch) -> Gradients:
        gradients, values = gradients_of(batch)
        if strategy.num_replicas_in_sync > 1:
            gradients, values = tf.distribute.get_replica_context().all_reduce(
                tf.distribute.ReduceOp.MEAN, [gradients, values]
            )
        return _clipped(gradients, values, config.clip_norm)

    def update(gradients: list[tf.Tensor]) -> None:
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    @tf.function
    def step(batch: Batch) -> Losses:
        # The forward pass alone changes these, before it is known what it gives.
        before = [tf.identity(each) for each in others]
        gradients, values = strategy.run(forward, args=(batch,))
        values = {name: _first(strategy, each) for name, each in values.items()}

        def learn() -> tf.Tensor:
            count = tf.identity(optimizer.iterations.value)
            strategy.run(update, args=(gradients,))
            average.update(count)
            return tf.constant(0.0)

        def skip() -> tf.Tensor:
            for variable, value in zip(others, before, strict=True):
                variable.assign(value)
            return tf.constant(1.0)

        is_finite = tf.math.is_finite(values["loss"] + values["gradient_norm"])
        skipped = tf.cond(is_finite, learn, skip)
        return {
            "skipped_steps": skipped,
            **{k: tf.where(is_finite, v, 0.0) for k, v in values.items()},
        }

    return step


def _clipped(gradients: list[tf.Tensor], values: Losses, most: float) -> Gradients:
    """Return gradients of a global norm of `most` or less, 0 for any, and the norm."""
    # It is finite where all of them are.
    norm = tf.linalg.global_norm(gradients)
    if most:
        gradients, _ = tf.clip_by_global_norm(gradients, most, use_norm=norm)
    return gradients, {**values, "gradient_norm": norm}


def _gradients_of(
    model: keras.Model,
    task: Task,
    config: TrainConfig,
    strategy: tf.distribute.Strategy,
) -> Callable[[Batch], Gradients]:
    """Return what a replica does with its part of a batch, before it hears of others.

    Raises:
        UserError: it is to be compiled, and there are several replicas.
    """

    def gradients_of(batch: Batch) -> Gradients:
        with tf.GradientTape() as tape:
            losses = task(model(batch["image"], training=True), batch)
            means = {name: tf.reduce_mean(each) for name, each in losses.items()}
        return tape.gradient(means["loss"], model.trainable_variables), means

    if not config.jit_compile:
        return gradients_of
    if strategy.num_replicas_in_sync > 1:
        raise UserError(
            "train.jit_compile is for one device, received "
            f"{strategy.num_replicas_in_sync} replicas: what is compiled cannot talk "
            "to others while it runs. Set train.jit_compile=false."
        )
    return tf.function(gradients_of, jit_compile=True)


def _first(strategy: tf.distribute.Strategy, value: Any) -> tf.Tensor:
    """Return what all replicas agree on."""
    return strategy.experimental_local_results(value)[0]
