"""Losses against NumPy and SciPy oracles, gradients included."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax
from scipy.special import softmax
from scipy.stats import entropy

from fer_tf.losses import cross_entropy
from fer_tf.losses import dkd
from fer_tf.losses import kd

RNG = np.random.default_rng(7)
BATCH, CLASSES = 5, 7
LOGITS = RNG.normal(0, 3, (BATCH, CLASSES)).astype(np.float32)
TEACHER = RNG.normal(0, 3, (BATCH, CLASSES)).astype(np.float32)
TARGET = np.array([0, 6, 3, 3, 1])
VOTES = RNG.dirichlet(np.ones(CLASSES), BATCH).astype(np.float32)
TEMPERATURES = [0.5, 1.0, 2.0, 4.0]


def gradient(loss, logits):
    """Return d sum(loss) / d logits as TensorFlow has it."""
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss(variable))
    return tape.gradient(total, variable).numpy()


def numerical_gradient(loss, logits, step=1e-3):
    """Return the same by central differences, in float64."""
    logits = logits.astype(np.float64)
    found = np.zeros_like(logits)
    for index in np.ndindex(logits.shape):
        shift = np.zeros_like(logits)
        shift[index] = step
        found[index] = (loss(logits + shift).sum() - loss(logits - shift).sum()) / (
            2 * step
        )
    return found


def numpy_dkd(teacher, student, target, temperature, alpha, beta):
    """DKD from probabilities, as the paper's equations 3 to 7 read."""
    values = []
    for t, s, k in zip(teacher, student, target, strict=True):
        p, q = softmax(t / temperature), softmax(s / temperature)
        tckd = entropy([p[k], 1 - p[k]], [q[k], 1 - q[k]])
        p_hat, q_hat = np.delete(p, k) / (1 - p[k]), np.delete(q, k) / (1 - q[k])
        values.append(alpha * tckd + beta * entropy(p_hat, q_hat))
    return np.array(values)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_the_oracle_on_votes(smoothing):
    smooth = VOTES * (1 - smoothing) + smoothing / CLASSES
    expected = -(smooth * log_softmax(LOGITS, axis=-1)).sum(-1)
    found = cross_entropy(targets=VOTES, logits=LOGITS, label_smoothing=smoothing)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_cross_entropy_on_a_hard_label_by_hand():
    logits = np.array([[0.0, np.log(3.0)]], np.float32)
    found = cross_entropy(targets=np.array([[0.0, 1.0]], np.float32), logits=logits)
    np.testing.assert_allclose(found, [-np.log(0.75)], rtol=1e-6)


def test_cross_entropy_gradient_is_probs_minus_targets():
    found = gradient(lambda z: cross_entropy(targets=VOTES, logits=z), LOGITS)
    np.testing.assert_allclose(found, softmax(LOGITS, axis=-1) - VOTES, atol=1e-6)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_kd_is_scipys_relative_entropy(temperature):
    expected = entropy(
        softmax(TEACHER / temperature, axis=-1),
        softmax(LOGITS / temperature, axis=-1),
        axis=-1,
    )
    found = kd(teacher_logits=TEACHER, logits=LOGITS, temperature=temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_kd_gradient_is_the_difference_of_softmaxes(temperature):
    found = gradient(
        lambda z: kd(teacher_logits=TEACHER, logits=z, temperature=temperature), LOGITS
    )
    expected = (
        softmax(LOGITS / temperature, axis=-1) - softmax(TEACHER / temperature, axis=-1)
    ) / temperature
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (1, 8), (0.5, 2), (1, 0), (0, 1)])
def test_dkd_is_the_papers_equations(temperature, alpha, beta):
    expected = numpy_dkd(TEACHER, LOGITS, TARGET, temperature, alpha, beta)
    found = dkd(
        teacher_logits=TEACHER,
        logits=LOGITS,
        target_index=TARGET,
        temperature=temperature,
        alpha=alpha,
        beta=beta,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_dkd_gradient_is_that_of_the_oracle():
    found = gradient(
        lambda z: dkd(
            teacher_logits=TEACHER,
            logits=z,
            target_index=TARGET,
            temperature=2.0,
            beta=4.0,
        ),
        LOGITS,
    )
    expected = numerical_gradient(
        lambda z: numpy_dkd(TEACHER, z, TARGET, 2.0, 1.0, 4.0), LOGITS
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_dkd_with_the_teachers_own_weight_is_kd(temperature):
    p = softmax(TEACHER / temperature, axis=-1)[np.arange(BATCH), TARGET]

    def decoupled(logits):
        return dkd(
            teacher_logits=TEACHER,
            logits=logits,
            target_index=TARGET,
            temperature=temperature,
            alpha=1.0,
            beta=(1 - p).astype(np.float32),
        )

    def whole(logits):
        return kd(teacher_logits=TEACHER, logits=logits, temperature=temperature)

    np.testing.assert_allclose(decoupled(LOGITS), whole(LOGITS), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        gradient(decoupled, LOGITS), gradient(whole, LOGITS), atol=1e-4
    )


@pytest.mark.parametrize("loss", ["kd", "dkd"])
def test_a_perfect_student_has_no_loss_and_a_sure_teacher_is_finite(loss):
    sure = np.array([[80.0, 0, 0, 0, 0, 0, 0], [0, 0, 90.0, 0, 0, 0, 0]], np.float32)
    given = {"temperature": 1.0, "logits": sure, "teacher_logits": sure}
    if loss == "dkd":
        found = dkd(**given, target_index=np.array([0, 2]))
        slope = gradient(
            lambda z: dkd(**{**given, "logits": z}, target_index=np.array([1, 2])), sure
        )
    else:
        found = kd(**given)
        slope = gradient(lambda z: kd(**{**given, "logits": z}), sure)
    np.testing.assert_allclose(found, [0, 0], atol=1e-6)
    assert np.isfinite(slope).all()


def test_losses_do_not_hang_on_the_order_of_the_batch():
    order = RNG.permutation(BATCH)
    whole = keras.ops.convert_to_numpy(
        dkd(
            teacher_logits=TEACHER,
            logits=LOGITS,
            target_index=TARGET,
            temperature=2.0,
        )
    )
    shuffled = dkd(
        teacher_logits=TEACHER[order],
        logits=LOGITS[order],
        target_index=TARGET[order],
        temperature=2.0,
    )
    np.testing.assert_allclose(shuffled, whole[order], rtol=1e-6)
