"""Learning rates over time, and the optimiser that follows them."""

import keras

from fer_tf.config import TrainConfig


class AdamW(keras.optimizers.AdamW):
    """AdamW for gradients that are summed over replicas already.

    The loop sums them itself, so that they are clipped and looked at as a whole.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: list) -> list:
        return grads_and_vars


def adamw(config: TrainConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """AdamW (Loshchilov and Hutter, arXiv:1711.05101), linear warm-up, cosine decay.

    It does not clip: the loop does. Biases and the scales and shifts of normalisation
    are not decayed.
    """
    total = config.epochs * steps_per_epoch
    warmup = int(config.warmup * total)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        decay_steps=max(1, total - warmup),
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = AdamW(schedule, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
