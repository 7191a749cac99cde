"""Negative learning: what a picture does not show, told to a student that is unsure."""

import tensorflow as tf
from keras import ops

from fer_tf.losses.distillation import NEVER


def negative_learning(*, negatives: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    r"""Negative learning of each example, :math:`-\sum_c n_c \log(1 - p_c)`.

    Kim et al., "NLNL: Negative Learning for Noisy Labels", arXiv:1908.07387,
    equation 2. Its gradient lowers the p_c of what the picture is not.

    Args:
        negatives: n, [batch, num_classes]; one-hot of the one class it is not, or a
            distribution, see `complement`.
        logits: of p, [batch, num_classes].

    Returns:
        float [batch], not negative.
    """
    own = ops.eye(logits.shape[-1], dtype="bool")
    others = ops.where(own, NEVER, ops.expand_dims(logits, -2))
    # log(1 - p) would be -inf where p is 1 to the last digit.
    log_rest = ops.logsumexp(others, axis=-1)
    log_rest -= ops.logsumexp(logits, axis=-1, keepdims=True)
    return -ops.sum(negatives * log_rest, axis=-1)


def complement(*, targets: tf.Tensor) -> tf.Tensor:
    r"""What pictures are not, :math:`n_c = (1 - q_c) / (C - 1)`.

    The paper draws one of the other classes, all alike, in every step. This is the
    mean over its draws, and over labels drawn from a soft target. Of all predictions,
    p = q then has the least loss, so that votes stay votes.

    Args:
        targets: distributions q, [batch, num_classes].

    Returns:
        Distributions, [batch, num_classes].
    """
    return (1 - targets) / (targets.shape[-1] - 1)


def is_unsure(*, logits: tf.Tensor, least_entropy: float) -> tf.Tensor:
    r"""The gate of negative learning: 1 where :math:`H(p) / \log C` is high enough.

    A student that is sure and right has nothing to learn from what the picture is not;
    where it is sure and contradicted, the label may be what is wrong.

    Args:
        logits: of p, [batch, num_classes].
        least_entropy: in 0..1, where 1 is the entropy of all classes alike; 0 lets
            every example through.

    Returns:
        float [batch], 0 or 1. Its mean is how often the gate applies.
    """
    log_p = ops.log_softmax(logits, axis=-1)
    entropy = -ops.sum(ops.exp(log_p) * log_p, axis=-1)
    least = least_entropy * ops.log(float(logits.shape[-1]))
    return ops.cast(entropy >= least, logits.dtype)
