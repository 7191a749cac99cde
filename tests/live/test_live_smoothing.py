"""Smoothing in real time; its state never outlives a face."""

import math

import numpy as np
import pytest

from fer_tf.live.smoothing import Smoother
from fer_tf.quality import UnsureReason

ANGRY, HAPPY, SAD = 0, 3, 4


def answer(label, probability=0.9):
    """The answer [7] that is `probability` sure of `label`."""
    rest = np.full(7, (1 - probability) / 6, np.float32)
    rest[label] = probability
    return rest


def calm(smoothing_ms=300.0, hysteresis=0.0, hold_ms=0.0, least_confidence=0.5):
    return Smoother(smoothing_ms, hysteresis, hold_ms, least_confidence)


def test_one_step_by_hand():
    smoother = calm(smoothing_ms=100)
    smoother.update(1, answer(ANGRY, 0.7), 0)
    smoothed = smoother.update(1, answer(HAPPY, 0.7), 50)
    # d = 1/2: the new answer weighs 1 - 2 (1 - exp(-1/2)), and what was before the
    # rest; Angry and Happy change places.
    new = 1 - 2 * (1 - math.exp(-0.5))
    odds = (0.7 / 0.05) ** (1 - 2 * new)
    ratio = smoothed.probabilities[ANGRY] / smoothed.probabilities[HAPPY]
    assert ratio == pytest.approx(odds, rel=1e-5)
    assert smoothed.probabilities.sum() == pytest.approx(1)


def test_the_low_pass_is_that_of_its_equation():
    """Against tau dl/dt = x - l in steps of a hundredth of a millisecond."""
    tau, step = 120.0, 0.01
    times = np.array([0.0, 33.0, 41.0, 150.0, 400.0])
    noise = np.random.default_rng(0)
    answers = noise.dirichlet(np.ones(7), len(times))
    smoother = calm(smoothing_ms=tau)
    for probabilities, time_ms in zip(answers, times, strict=True):
        smoothed = smoother.update(1, probabilities, time_ms)
    logs = np.log(answers)
    low = logs[0]
    for time_ms in np.arange(step / 2, times[-1], step):
        x = [np.interp(time_ms, times, logs[:, column]) for column in range(7)]
        low = low + step / tau * (x - low)
    expected = np.exp(low) / np.exp(low).sum()
    np.testing.assert_allclose(smoothed.probabilities, expected, atol=2e-4)


@pytest.mark.parametrize("step_ms", [10, 40, 100])
def test_a_steady_change_is_smoothed_the_same_at_any_frame_rate(step_ms):
    start, end = np.log(answer(ANGRY)), np.log(answer(HAPPY))

    def at(time_ms):
        return np.exp(start + time_ms / 400 * (end - start))

    smoother, once = calm(), calm()
    for time_ms in range(0, 401, step_ms):
        smoothed = smoother.update(1, at(time_ms), time_ms)
    once.update(1, at(0), 0)
    expected = once.update(1, at(400), 400)
    np.testing.assert_allclose(
        smoothed.probabilities, expected.probabilities, rtol=1e-6
    )


def filmed(rate, times_ms):
    """The smoothed curve of one film at `rate`, at `times_ms` [times, 7].

    Its face changes from one expression to another every second, within 350 ms.
    """
    moods = [ANGRY, HAPPY, SAD, HAPPY, ANGRY]
    smoother, shown = calm(smoothing_ms=300), {}
    for index in range(int(5 * rate)):
        time_ms = 1000 * index / rate
        turn = int(time_ms / 1000)
        part = min(1.0, (time_ms % 1000) / 350)
        before, now = answer(moods[max(0, turn - 1)]), answer(moods[turn])
        smoothed = smoother.update(1, (1 - part) * before + part * now, time_ms)
        assert smoothed.probabilities.sum() == pytest.approx(1, abs=1e-12)
        shown[round(time_ms)] = smoothed.probabilities
    return np.array([shown[time_ms] for time_ms in times_ms])


def test_a_film_at_ten_and_at_thirty_frames_a_second_is_smoothed_alike():
    times_ms = range(0, 5000, 100)
    slow, fast = filmed(10, times_ms), filmed(30, times_ms)
    # An average of .7 and .3 per frame is off by .33.
    assert np.ptp(fast[:, HAPPY]) > 0.7
    assert np.abs(slow - fast).max() < 0.05


@pytest.mark.parametrize("back_to_ms", [1000.0, 500.0, -1e9])
def test_a_clock_that_stands_still_or_goes_back_stops_nothing(back_to_ms):
    smoother = calm(smoothing_ms=100, hold_ms=250)
    for time_ms in range(0, 1001, 100):
        smoother.update(1, answer(ANGRY), time_ms)
    for _ in range(5):
        still = smoother.update(1, answer(HAPPY), back_to_ms)
    np.testing.assert_allclose(still.probabilities, answer(ANGRY), rtol=1e-6)
    for elapsed_ms in range(100, 601, 100):
        smoothed = smoother.update(1, answer(HAPPY), back_to_ms + elapsed_ms)
    assert smoothed.label == HAPPY
    assert smoothed.probabilities[HAPPY] > 0.85


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


def test_the_first_answer_is_unsure_at_once():
    for probability, unsure in ((0.49, True), (0.51, False)):
        smoother = calm(smoothing_ms=0, hold_ms=250)
        assert smoother.update(1, answer(ANGRY, probability), 0).unsure is unsure


@pytest.mark.parametrize(
    ("first", "then", "turned"),
    [
        (0.55, 0.45, [320, 360]),
        (0.45, 0.55, [320, 360]),
        (0.9, 0.45, [320, 360]),
        (0.55, 0.39, list(range(40, 400, 40))),
        (0.45, 0.61, list(range(40, 400, 40))),
    ],
)
def test_unsure_comes_and_goes_after_the_hold_or_beyond_the_hysteresis(
    first, then, turned
):
    smoother = calm(smoothing_ms=0, hysteresis=0.1, hold_ms=250)
    before = smoother.update(1, answer(ANGRY, first), 0).unsure
    smoothed = {
        t: smoother.update(1, answer(ANGRY, then), t) for t in range(40, 400, 40)
    }
    assert [t for t, shown in smoothed.items() if shown.unsure is not before] == turned
    assert smoothed[40].confidence == pytest.approx(then, rel=1e-6)


def test_a_confidence_that_wavers_does_not_flicker():
    smoother = calm(smoothing_ms=0, hysteresis=0.1, hold_ms=250)
    for index in range(50):
        probability = 0.45 if index % 3 else 0.55
        smoothed = smoother.update(1, answer(ANGRY, probability), 40 * index)
        assert not smoothed.unsure


def test_a_label_that_is_held_is_not_sure_while_another_leads_clearly():
    smoother = calm(smoothing_ms=0, hysteresis=0.1, hold_ms=250)
    smoother.update(1, answer(ANGRY), 0)
    smoothed = smoother.update(1, answer(HAPPY), 40)
    assert (smoothed.label, smoothed.unsure) == (ANGRY, True)


def test_a_new_label_is_as_sure_as_itself():
    smoother = calm(smoothing_ms=0)
    smoother.update(1, answer(ANGRY, 0.9), 0)
    assert smoother.update(1, answer(HAPPY, 0.4), 40).unsure
    assert not smoother.update(1, answer(SAD, 0.8), 80).unsure


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


DARK = UnsureReason.TOO_DARK
LOW = UnsureReason.LOW_CONFIDENCE


def test_an_unusable_frame_is_no_evidence():
    """What follows is as though the face had not been seen in it."""
    with_dark, without = calm(), calm()
    for smoother in (with_dark, without):
        smoother.update(1, answer(ANGRY), 0)
    for time_ms in (40, 80, 120):
        dark = with_dark.update(1, answer(SAD), time_ms, DARK)
        np.testing.assert_allclose(dark.probabilities, answer(ANGRY), rtol=1e-6)
        assert (dark.label, dark.unsure_reason) == (ANGRY, "too_dark")
    after = with_dark.update(1, answer(HAPPY), 160)
    expected = without.update(1, answer(HAPPY), 160)
    np.testing.assert_array_equal(after.probabilities, expected.probabilities)
    assert after.label == expected.label


def test_a_face_is_unsure_at_once_and_sure_after_it_was_usable_for_the_hold():
    smoother = calm(smoothing_ms=0, hold_ms=100)
    reasons = {0: "", 40: DARK, 80: UnsureReason.BLURRED, 120: "", 160: DARK}
    shown = {}
    for time_ms in range(0, 400, 40):
        reason = UnsureReason(reasons.get(time_ms, ""))
        shown[time_ms] = smoother.update(1, answer(ANGRY), time_ms, reason)
    assert [(t, one.unsure_reason) for t, one in shown.items() if one.unsure] == [
        (40, "too_dark"),
        (80, "blurred"),
        (120, "blurred"),
        (160, "too_dark"),
        (200, "too_dark"),
        (240, "too_dark"),
        (280, "too_dark"),
    ]


def test_a_low_confidence_is_evidence_and_has_its_reason():
    smoother = calm(smoothing_ms=0)
    shown = smoother.update(1, answer(ANGRY, 0.4), 0, LOW)
    assert shown.unsure_reason == "low_confidence"
    assert smoother.update(1, answer(HAPPY, 0.9), 400).unsure_reason == ""


def test_a_face_that_was_never_usable_leaves_nothing():
    smoother = calm(smoothing_ms=1e9, hold_ms=0)
    for time_ms in (0, 40):
        shown = smoother.update(1, answer(SAD), time_ms, UnsureReason.NOISE)
        assert (shown.label, shown.unsure_reason) == (SAD, "noise")
    first = smoother.update(1, answer(HAPPY), 80)
    assert (first.label, first.unsure_reason) == (HAPPY, "")
    np.testing.assert_allclose(first.probabilities, answer(HAPPY), rtol=1e-6)
