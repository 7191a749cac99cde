"""Timestamps that are believed, and timestamps that are repaired."""

import random
from itertools import pairwise

import pytest

from fer_tf.live import timestamps

INTERVAL_MS = 40.0


def repair(*reported_ms):
    repairs = []
    pairs = [(time_ms, number) for number, time_ms in enumerate(reported_ms)]
    frames = list(timestamps.repaired(pairs, INTERVAL_MS, repairs.append))
    assert [number for _, number in frames] == list(range(len(reported_ms)))
    return [time_ms for time_ms, _ in frames], repairs


@pytest.mark.parametrize(
    "reported_ms",
    [
        [0.0, 41.7, 75.1],
        # A gap of 75 s, and a time-lapse of 90 s a frame.
        [0, 40, 77_000, 77_040],
        [0, 90_000, 180_000],
        # The video stream starts after its container.
        [850, 890, 930],
        [36_000_000, 36_000_040],
    ],
)
def test_increasing_times_are_believed(reported_ms):
    assert repair(*reported_ms) == (reported_ms, [])


@pytest.mark.parametrize(
    ("reported_ms", "expected_ms", "repairs"),
    [
        ([None, None, None], [0, 40, 80], [1, 2]),
        ([0, 0, 0], [0, 40, 80], [1, 2]),
        # Missing, or contradicted by the next frame.
        ([0, None, 80, 120], [0, 40, 80, 120], [1]),
        ([0, None, 20, 60], [0, 10, 20, 60], [1]),
        ([0, 1e12, 80, 120], [0, 40, 80, 120], [1]),
        ([0, 100, 50, 90], [0, 25, 50, 90], [1]),
        ([0, 40, 40, 80, 120], [0, 20, 40, 80, 120], [1]),
        ([0, 40, None], [0, 40, 80], [2]),
        # The clock continues by the last reported timestamp after a gap.
        ([0, 40, 77_000, None, 77_080], [0, 40, 77_000, 77_040, 77_080], [3]),
        # Two recordings joined: the second one's times follow the first one's.
        ([0, 40, 80, 0, 40, 60], [0, 40, 80, 120, 160, 180], [3]),
        ([0, 40, 80, 0, 75_000], [0, 40, 80, 120, 75_120], [3]),
    ],
)
def test_other_times_are_repaired(reported_ms, expected_ms, repairs):
    assert repair(*reported_ms) == (expected_ms, repairs)


def test_times_never_go_back():
    rng = random.Random(0)
    for _ in range(300):
        reported = [
            rng.choice([None, rng.uniform(-50, 1e5), 40.0 * index])
            for index in range(20)
        ]
        times_ms, _ = repair(*reported)
        assert all(after > before for before, after in pairwise(times_ms))


def test_a_frame_is_shown_until_the_next_one():
    shown = timestamps.with_durations([(0.0, "a"), (40.0, "b"), (75_000.0, "c")])
    assert list(shown) == [(0, 40, "a"), (40, 74_960, "b"), (75_000, None, "c")]
    assert list(timestamps.with_durations([])) == []
