"""Knowledge distillation, whole (KD) and decoupled (DKD).

Both return the divergence D alone. Who adds them to a cross entropy multiplies by
T^2, so that the size of the gradient does not hang on T (Hinton et al., section 2).
"""

import tensorflow as tf
from keras import ops

# Takes the target's place in a softmax over the others: exp of it is 0 in float32,
# while the gradient of a true -inf would be NaN.
NEVER = -1e9


def kd(
    *, teacher_logits: tf.Tensor, logits: tf.Tensor, temperature: float
) -> tf.Tensor:
    r"""Knowledge distillation, :math:`D = \mathrm{KL}(p^T \| p^S)` of each example.

    :math:`p = \mathrm{softmax}(z / T)`. Hinton, Vinyals and Dean, "Distilling the
    Knowledge in a Neural Network", arXiv:1503.02531, section 2.

    Args:
        teacher_logits: [batch, num_classes], or log-probabilities, which do as well.
        logits: the student's, [batch, num_classes].
        temperature: T > 0.

    Returns:
        float [batch], not negative.
    """
    teacher = ops.log_softmax(teacher_logits / temperature, axis=-1)
    student = ops.log_softmax(logits / temperature, axis=-1)
    return _kl(teacher, student)


def dkd(
    *,
    teacher_logits: tf.Tensor,
    logits: tf.Tensor,
    target_index: tf.Tensor,
    temperature: float,
    alpha: float = 1.0,
    beta: float | tf.Tensor = 1.0,
) -> tf.Tensor:
    r"""Decoupled knowledge distillation of each example.

    .. math:: D = \alpha\,\mathrm{KL}(b^T \| b^S)
                + \beta\,\mathrm{KL}(\hat p^T \| \hat p^S)

    where :math:`b = [p_t, 1 - p_t]` is whether it is the target class (TCKD), and
    :math:`\hat p` the softmax over the other classes (NCKD). With alpha = 1 and
    beta = 1 - p_t of the teacher it is KD. Zhao et al., "Decoupled Knowledge
    Distillation", arXiv:2203.08679, equations 6 and 7.

    Args:
        teacher_logits: [batch, num_classes], or log-probabilities.
        logits: the student's, [batch, num_classes].
        target_index: t, int [batch]; for soft targets their most probable class.
        temperature: T > 0, of all softmaxes.
        alpha: weight of TCKD.
        beta: weight of NCKD, a number or [batch].

    Returns:
        float [batch], not negative.
    """
    target = ops.one_hot(target_index, logits.shape[-1], dtype=logits.dtype)
    teacher, other_teacher = _decouple(teacher_logits / temperature, target)
    student, other_student = _decouple(logits / temperature, target)
    return alpha * _kl(teacher, student) + beta * _kl(other_teacher, other_student)


def _decouple(
    scaled_logits: tf.Tensor, target: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return log [p_t, 1 - p_t], [batch, 2], and log p-hat, [batch, num_classes]."""
    others = ops.where(target > 0, NEVER, scaled_logits)
    total = ops.logsumexp(scaled_logits, axis=-1)
    log_target = ops.sum(target * scaled_logits, axis=-1) - total
    log_rest = ops.logsumexp(others, axis=-1) - total
    return (
        ops.stack([log_target, log_rest], axis=-1),
        ops.log_softmax(others, axis=-1),
    )


def _kl(log_p: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
