"""What a loss knows of how often each class is trained on; use one of them at a time.

Counts are [num_classes]. A class that is never shown counts as shown once, so that
every answer is finite.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def effective_number_weights(
    *, class_counts: Sequence[int], beta: float = 0.9999
) -> np.ndarray:
    r"""Weight of each class, the inverse of its effective number of pictures.

    .. math:: w_c \propto \frac{1 - \beta}{1 - \beta^{n_c}}, \quad \sum_c w_c = C

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples",
    arXiv:1901.05555, proposition 1 and section 4, whose normalisation it is: the mean
    over classes is 1, not that over pictures, which is lower. beta is what they find
    best for ten classes of up to 5,000 pictures.

    Args:
        class_counts: n_c.
        beta: 0 or more and below 1; 0 weighs all classes alike, near 1 by 1 / n_c.

    Returns:
        float32 [num_classes]. Multiply targets by it.
    """
    counts = _shown(class_counts)
    weights = (1 - beta) / (1 - beta**counts)
    return np.float32(weights * len(counts) / weights.sum())


def adjusted(
    *, logits: tf.Tensor, class_counts: Sequence[int], tau: float = 1.0
) -> tf.Tensor:
    r"""Logits to train with where classes are not equally frequent.

    .. math:: z_c + \tau \log \pi_c, \quad \pi_c = n_c / \sum_{c'} n_{c'}

    Menon et al., "Long-tail learning via logit adjustment", arXiv:2007.07314,
    equation 10, is cross entropy of them. The frequencies being given, the model's own
    logits z learn what is left: those of classes that are equally frequent. So z alone
    is what is validated, taught and shipped.

    Args:
        logits: z, [batch, num_classes].
        class_counts: n_c.
        tau: 0 is the identity.

    Returns:
        [batch, num_classes].
    """
    counts = _shown(class_counts)
    return logits + np.float32(tau * np.log(counts / counts.sum()))


def _shown(class_counts: Sequence[int]) -> np.ndarray:
    return np.maximum(np.asarray(class_counts, np.float64), 1)
