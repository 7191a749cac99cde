"""ArcFace's margin: the angle to the right class, made harder in training alone."""

import tensorflow as tf
from keras import ops

# The least sin^2: the slope of a root is infinite at 0. Below it float32 does not tell
# a cosine from 1 anyway.
LEAST = 1e-7


def with_margin(
    *,
    targets: tf.Tensor,
    logits: tf.Tensor,
    margin: float | tf.Tensor,
    scale: float,
) -> tf.Tensor:
    r"""Logits to train with, that of the target class as of a wider angle.

    .. math:: s \cos(\theta_t + m) \text{ in place of } s \cos \theta_t

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition",
    arXiv:1801.07698, equation 3, is cross entropy of them. Where theta + m would be
    above pi, and its cosine rise again, it is s (cos theta - m sin m), as in the
    authors' code: the wider the angle, the lower the logit, all the way.

    Args:
        targets: one-hot, [batch, num_classes]; what is above 0 is widened.
        logits: s cos(theta), [batch, num_classes].
        margin: m in radians, in 0..pi/2, a number or [batch]; 0 is the identity.
        scale: s > 0.

    Returns:
        [batch, num_classes].
    """
    cos, margin = logits / scale, ops.expand_dims(margin, -1)
    sin = ops.sqrt(ops.maximum(1 - cos**2, LEAST))
    cos_margin, sin_margin = ops.cos(margin), ops.sin(margin)
    # As cos(theta) falls below cos(pi - m).
    wider = ops.where(
        cos > -cos_margin,
        cos * cos_margin - sin * sin_margin,
        cos - margin * sin_margin,
    )
    return ops.where(targets > 0, scale * wider, logits)
