"""Cross entropy against hard, soft or vote targets, and its focal kin."""

import tensorflow as tf
from keras import ops


def cross_entropy(*, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    r"""Cross entropy of each example, :math:`-\sum_c q_c \log \mathrm{softmax}(z)_c`.

    Args:
        targets: distributions q, [batch, num_classes]; one-hot for hard labels. Those
            of weighted classes need not sum to 1.
        logits: z, [batch, num_classes].

    Returns:
        float [batch].
    """
    return -ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1)


def focal(*, targets: tf.Tensor, logits: tf.Tensor, gamma: float = 2.0) -> tf.Tensor:
    r"""Focal loss of each example, which cares less for what is known already.

    .. math:: -\sum_c q_c (1 - p_c)^\gamma \log p_c

    Lin et al., "Focal Loss for Dense Object Detection", arXiv:1708.02002, equation 4,
    has it for one class, with gamma = 2. A soft target is taken for a label drawn
    from it: this is the mean over what may be drawn, as cross entropy is.

    Args:
        targets: distributions q, [batch, num_classes]; one-hot for hard labels.
        logits: of p, [batch, num_classes].
        gamma: 0 or more; 0 is cross entropy.

    Returns:
        float [batch].
    """
    log_p = ops.log_softmax(logits, axis=-1)
    # Of a class that is all but sure, 1 - p would be rounding noise.
    unsure = -ops.expm1(log_p)
    return -ops.sum(targets * unsure**gamma * log_p, axis=-1)


def smoothed(*, targets: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    r"""Targets with label smoothing, :math:`q' = (1 - \epsilon) q + \epsilon / C`.

    Szegedy et al., "Rethinking the Inception Architecture", arXiv:1512.00567,
    section 7.

    Args:
        targets: distributions q, [batch, num_classes].
        label_smoothing: epsilon, in 0..1; 0 is the identity.

    Returns:
        [batch, num_classes].
    """
    return targets * (1 - label_smoothing) + label_smoothing / targets.shape[-1]
