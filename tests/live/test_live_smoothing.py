"""Smoothing in real time; its state never outlives a face."""

import math

import numpy as np
import pytest

from fer_tf.live.smoothing import Smoother

ANGRY, HAPPY, SAD = 0, 3, 4


def answer(label, probability=0.9):
    """The answer [7] that is `probability` sure of `label`."""
    rest = np.full(7, (1 - probability) / 6, np.float32)
    rest[label] = probability
    return rest


def calm(smoothing_ms=300.0, hysteresis=0.0, hold_ms=0.0):
    return Smoother(smoothing_ms, hysteresis, hold_ms)


def test_one_step_by_hand():
    smoother = calm(smoothing_ms=100)
    smoother.update(1, answer(ANGRY, 0.7), 0)
    smoothed = smoother.update(1, answer(HAPPY, 0.7), 50)
    # log p moves by a = 1 - exp(-50 / 100); Angry and Happy change places.
    a = 1 - math.exp(-0.5)
    odds = (0.7 / 0.05) ** (1 - 2 * a)
    ratio = smoothed.probabilities[ANGRY] / smoothed.probabilities[HAPPY]
    assert ratio == pytest.approx(odds, rel=1e-5)
    assert smoothed.probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize("step_ms", [10, 40, 100])
def test_the_same_time_smooths_the_same_at_any_frame_rate(step_ms):
    smoother = calm()
    smoother.update(1, answer(ANGRY), 0)
    for time_ms in range(step_ms, 401, step_ms):
        smoothed = smoother.update(1, answer(HAPPY), time_ms)
    once = calm()
    once.update(1, answer(ANGRY), 0)
    expected = once.update(1, answer(HAPPY), 400)
    np.testing.assert_allclose(
        smoothed.probabilities, expected.probabilities, rtol=1e-9
    )


def test_without_a_time_constant_the_answer_is_itself():
    smoother = calm(smoothing_ms=0)
    smoother.update(1, answer(ANGRY), 0)
    smoothed = smoother.update(1, answer(HAPPY), 1)
    np.testing.assert_allclose(smoothed.probabilities, answer(HAPPY), rtol=1e-6)
    assert smoothed.label == HAPPY


def test_a_certain_answer_does_not_last_for_ever():
    smoother = calm(smoothing_ms=100)
    smoother.update(1, answer(ANGRY, 1.0), 0)
    for time_ms in range(40, 1001, 40):
        smoothed = smoother.update(1, answer(HAPPY, 0.9), time_ms)
    assert smoothed.label == HAPPY
    assert np.isfinite(smoothed.probabilities).all()


def test_a_lead_below_the_hysteresis_does_not_change_the_label():
    smoother = calm(smoothing_ms=0, hysteresis=0.3)
    smoother.update(1, answer(ANGRY), 0)
    close = np.array([0.35, 0, 0, 0.60, 0.05, 0, 0], np.float32)
    assert smoother.update(1, close, 40).label == ANGRY
    clear = np.array([0.30, 0, 0, 0.65, 0.05, 0, 0], np.float32)
    assert smoother.update(1, clear, 80).label == HAPPY


def test_a_label_changes_only_after_the_hold():
    smoother = calm(smoothing_ms=0, hold_ms=250)
    smoother.update(1, answer(ANGRY), 0)
    shown = {t: smoother.update(1, answer(HAPPY), t).label for t in range(40, 400, 40)}
    # Happy leads from 40 ms on, so it is shown from 290 ms on.
    assert [t for t, label in shown.items() if label == HAPPY] == [320, 360]


def test_the_hold_begins_anew_when_the_lead_is_lost_or_another_takes_it():
    smoother = calm(smoothing_ms=0, hold_ms=250)
    sequence = [ANGRY, HAPPY, HAPPY, ANGRY, HAPPY, HAPPY, SAD, SAD, HAPPY, HAPPY]
    for index, label in enumerate(sequence):
        smoothed = smoother.update(1, answer(label), 100 * index)
        assert smoothed.label == ANGRY


def test_faces_do_not_disturb_each_other():
    smoother = calm()
    for time_ms in range(0, 400, 40):
        smoother.update(1, answer(ANGRY), time_ms)
        second = smoother.update(2, answer(SAD), time_ms)
    np.testing.assert_allclose(second.probabilities, answer(SAD), rtol=1e-6)


def test_a_face_that_is_forgotten_begins_anew():
    smoother = calm(smoothing_ms=1e6, hold_ms=1e6)
    smoother.update(1, answer(ANGRY), 0)
    smoother.keep_only({2})
    smoothed = smoother.update(1, answer(HAPPY), 40)
    assert smoothed.label == HAPPY
    np.testing.assert_allclose(smoothed.probabilities, answer(HAPPY), rtol=1e-6)
