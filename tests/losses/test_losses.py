"""Losses against NumPy and SciPy oracles, gradients included."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.special import softmax
from scipy.stats import entropy

from fer_tf.losses import DISTILLATION
from fer_tf.losses import cross_entropy
from fer_tf.losses import dkd
from fer_tf.losses import kd
from fer_tf.losses import smoothed

RNG = np.random.default_rng(7)
BATCH, CLASSES = 5, 7
LOGITS = RNG.normal(0, 3, (BATCH, CLASSES)).astype(np.float32)
TEACHER = RNG.normal(0, 3, (BATCH, CLASSES)).astype(np.float32)
TARGET = np.array([0, 6, 3, 3, 1])
HARD = np.eye(CLASSES, dtype=np.float32)[TARGET]
SOFT = RNG.dirichlet(np.ones(CLASSES), BATCH).astype(np.float32)
VOTES = (RNG.multinomial(10, SOFT.astype(np.float64)) / 10).astype(np.float32)
TEMPERATURES = [0.5, 1.0, 2.0, 4.0]


def numpy_dkd(teacher, student, target, temperature, alpha, beta):
    """DKD from probabilities, as the paper's equations 3 to 7 read."""
    values = []
    for t, s, k in zip(teacher, student, target, strict=True):
        p, q = softmax(t / temperature), softmax(s / temperature)
        tckd = entropy([p[k], 1 - p[k]], [q[k], 1 - q[k]])
        p_hat, q_hat = np.delete(p, k) / (1 - p[k]), np.delete(q, k) / (1 - q[k])
        values.append(alpha * tckd + beta * entropy(p_hat, q_hat))
    return np.array(values)


@pytest.mark.parametrize(
    "targets", [HARD, SOFT, VOTES], ids=["hard", "soft", "votes"]
)
def test_cross_entropy_is_the_oracle_gradient_included(gradient, targets):
    expected = -(targets * log_softmax(LOGITS, axis=-1)).sum(-1)
    found = cross_entropy(targets=targets, logits=LOGITS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    slope = gradient(lambda z: cross_entropy(targets=targets, logits=z), LOGITS)
    np.testing.assert_allclose(slope, softmax(LOGITS, axis=-1) - targets, atol=1e-6)


def test_cross_entropy_on_a_hard_label_by_hand():
    logits = np.array([[0.0, np.log(3.0)]], np.float32)
    found = cross_entropy(targets=np.array([[0.0, 1.0]], np.float32), logits=logits)
    np.testing.assert_allclose(found, [-np.log(0.75)], rtol=1e-6)


def test_smoothing_by_hand():
    targets = np.array([[0.0, 1.0], [0.25, 0.75]], np.float32)
    found = smoothed(targets=targets, label_smoothing=0.2)
    np.testing.assert_allclose(found, [[0.1, 0.9], [0.3, 0.7]], rtol=1e-6)


def test_no_smoothing_is_the_identity_and_any_keeps_distributions():
    np.testing.assert_array_equal(smoothed(targets=SOFT, label_smoothing=0.0), SOFT)
    found = smoothed(targets=SOFT, label_smoothing=0.3)
    np.testing.assert_allclose(np.sum(found, axis=-1), np.ones(BATCH), rtol=1e-6)


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
def test_kd_gradient_is_the_difference_of_softmaxes(gradient, temperature):
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


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(("alpha", "beta"), [(1, 8), (0.5, 2), (1, 0), (0, 1)])
def test_dkd_gradient_is_that_of_the_oracle(
    gradient, numerical_gradient, temperature, alpha, beta
):
    given = {"temperature": temperature, "alpha": alpha, "beta": beta}
    found = gradient(
        lambda z: dkd(
            teacher_logits=TEACHER, logits=z, target_index=TARGET, **given
        ),
        LOGITS,
    )
    expected = numerical_gradient(
        lambda z: numpy_dkd(TEACHER, z, TARGET, **given), LOGITS
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("loss", ["kd", "dkd"])
def test_log_probabilities_teach_what_their_logits_do(loss):
    """Soft labels are stored as log-probabilities."""
    given = {"logits": LOGITS, "temperature": 2.0}
    if loss == "dkd":
        given["target_index"] = TARGET
    divergence = DISTILLATION[loss]
    np.testing.assert_allclose(
        divergence(teacher_logits=log_softmax(TEACHER, axis=-1), **given),
        divergence(teacher_logits=TEACHER, **given),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_dkd_with_the_teachers_own_weight_is_kd(gradient, temperature):
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
def test_a_perfect_student_has_no_loss_and_a_sure_teacher_is_finite(gradient, loss):
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
