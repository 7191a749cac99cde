"""ArcFace's margin against oracles, gradients included."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from fer_tf.losses import cross_entropy
from fer_tf.losses import with_margin

RNG = np.random.default_rng(13)
BATCH, CLASSES, SCALE = 6, 7, 30.0
TARGET = np.array([0, 6, 3, 3, 1, 2])
HARD = np.eye(CLASSES, dtype=np.float32)[TARGET]
LOGITS = (SCALE * RNG.uniform(-0.9, 0.9, (BATCH, CLASSES))).astype(np.float32)
# The angle to the class of the last picture is so wide that there is no room for a
# margin.
LOGITS[-1, 2] = -0.98 * SCALE


def numpy_margin(logits, margin):
    """Equation 3 by the angle itself."""
    found = logits.astype(np.float64)
    margins = np.broadcast_to(margin, BATCH)
    for row, (target, m) in enumerate(zip(TARGET, margins, strict=True)):
        cos = found[row, target] / SCALE
        angle = np.arccos(cos) + m
        wider = np.cos(angle) if angle <= np.pi else cos - m * np.sin(m)
        found[row, target] = SCALE * wider
    return found


def widened(logits, margin):
    return with_margin(targets=HARD, logits=logits, margin=margin, scale=SCALE)


def loss(logits, margin):
    return cross_entropy(targets=HARD, logits=widened(logits, margin))


def numpy_loss(logits, margin):
    return -log_softmax(numpy_margin(logits, margin), axis=-1)[range(BATCH), TARGET]


MARGINS = [
    0.0,
    0.1,
    0.35,
    1.0,
    np.array([0, 0.1, 0.35, 0.35, 0.5, 0.35], np.float32),
]


@pytest.mark.parametrize("margin", MARGINS, ids=str)
def test_the_margin_is_equation_3_gradient_included(
    gradient, numerical_gradient, margin
):
    np.testing.assert_allclose(
        widened(LOGITS, margin), numpy_margin(LOGITS, margin), atol=1e-4
    )
    np.testing.assert_allclose(
        loss(LOGITS, margin), numpy_loss(LOGITS, margin), rtol=1e-4, atol=1e-5
    )
    slope = gradient(lambda z: loss(z, margin), LOGITS)
    expected = numerical_gradient(lambda z: numpy_loss(z, margin), LOGITS)
    np.testing.assert_allclose(slope, expected, atol=1e-4)


def test_the_margin_by_hand():
    # Angles of 60 and 90 degrees; a margin of 30 makes the first 90 as well.
    logits = np.array([[15.0, 0.0]], np.float32)
    given = {"logits": logits, "margin": np.pi / 6, "scale": 30.0}
    found = with_margin(targets=np.array([[1.0, 0.0]], np.float32), **given)
    np.testing.assert_allclose(found, [[0, 0]], atol=1e-5)
    found = with_margin(targets=np.array([[0.0, 1.0]], np.float32), **given)
    np.testing.assert_allclose(found, [[15, -15]], rtol=1e-6)
    values = cross_entropy(targets=np.array([[0.0, 1.0]]), logits=found)
    np.testing.assert_allclose(values, [30], rtol=1e-6)


def test_no_margin_is_plain_cross_entropy(gradient):
    plain = cross_entropy(targets=HARD, logits=LOGITS)
    np.testing.assert_allclose(loss(LOGITS, 0.0), plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        gradient(lambda z: loss(z, 0.0), LOGITS),
        gradient(lambda z: cross_entropy(targets=HARD, logits=z), LOGITS),
        atol=1e-6,
    )


def test_other_classes_keep_their_logits():
    found = np.array(widened(LOGITS, 0.35))
    np.testing.assert_array_equal(found[HARD == 0], LOGITS[HARD == 0])
    assert (found[HARD == 1] < LOGITS[HARD == 1]).all()


def test_a_wider_margin_is_harder():
    """Also where there is less and less room for it."""
    losses = [np.array(loss(LOGITS, m)) for m in np.linspace(0, 1, 21).tolist()]
    assert (np.diff(losses, axis=0) > 0).all()


@pytest.mark.parametrize("margin", [0.1, 0.35, 1.0])
def test_a_wider_angle_is_never_rewarded(margin):
    """Past pi the cosine would rise again."""
    cosines = np.cos(np.linspace(0, np.pi, 500)).astype(np.float32)
    logits = SCALE * np.stack([cosines, 0 * cosines], axis=-1)
    targets = np.tile(np.float32([1, 0]), (500, 1))
    found = with_margin(targets=targets, logits=logits, margin=margin, scale=SCALE)
    assert (np.diff(np.array(found)[:, 0]) < 0).all()


@pytest.mark.parametrize("margin", [0.0, 0.35])
def test_cosines_at_and_rounded_past_one_are_finite(gradient, margin):
    ends = [1.0, -1.0, 1 + 2e-7, -1 - 2e-7, 1 - 6e-8, 0.0]
    logits = np.tile(np.float32(ends)[:, None] * SCALE, (1, CLASSES))
    expected = SCALE * np.cos(np.arccos(np.clip(ends, -1, 1)) + margin)
    found = np.array(widened(logits, margin))[range(BATCH), TARGET]
    room = [0, 2, 4, 5]
    np.testing.assert_allclose(found[room], expected[room], atol=1e-2)
    slope = gradient(lambda z: loss(z, margin), logits)
    assert np.isfinite(slope).all()
    # More of the right class is still what is asked for.
    assert (slope[range(BATCH), TARGET] < 0).all()


def test_it_is_the_same_in_a_graph():
    np.testing.assert_allclose(
        tf.function(loss)(tf.constant(LOGITS), 0.35), loss(LOGITS, 0.35), rtol=1e-5
    )
