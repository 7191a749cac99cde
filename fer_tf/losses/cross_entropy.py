"""Cross entropy against hard, soft or vote targets."""

import tensorflow as tf
from keras import ops


def cross_entropy(
    *, targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float = 0.0
) -> tf.Tensor:
    r"""Cross entropy of each example.

    .. math:: -\sum_c q'_c \log \mathrm{softmax}(z)_c,
              \quad q' = (1 - \epsilon) q + \epsilon / C

    Label smoothing is that of Szegedy et al., "Rethinking the Inception
    Architecture", arXiv:1512.00567, section 7.

    Args:
        targets: distributions q, [batch, num_classes]; one-hot for hard labels.
        logits: z, [batch, num_classes].
        label_smoothing: epsilon, in 0..1.

    Returns:
        float [batch].
    """
    if label_smoothing:
        num_classes = targets.shape[-1]
        targets = targets * (1 - label_smoothing) + label_smoothing / num_classes
    return -ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1)
