"""A cut ends all tracks; motion, light and lost frames do not."""

import cv2
import numpy as np
import pytest

from fer_tf.live import loop
from fer_tf.live import thumbnails
from fer_tf.live.detection import Detection
from fer_tf.live.frames import Frame
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.scene_cuts import SceneCuts

WIDTH, HEIGHT = 160, 120


def scene(seed, size=(400, 300)):
    """A picture of large and small shapes, larger than a frame of it."""
    noise = np.random.default_rng(seed)
    layers = [
        cv2.resize(noise.uniform(0, 125, (9 * n, 12 * n, 3)), size) for n in (1, 4)
    ]
    return np.sum(layers, axis=0).astype(np.uint8)


def seen(picture, x=0.5, y=0.5, zoom=1.0, degrees=0.0):
    """A frame of what a camera sees that looks at a place of a picture."""
    centre = (x * picture.shape[1], y * picture.shape[0])
    warp = cv2.getRotationMatrix2D(centre, degrees, zoom)
    warp[:, 2] += np.array([WIDTH, HEIGHT]) / 2 - centre
    return cv2.warpAffine(
        picture, warp, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
    )


def cuts(pixels, times_ms=None):
    """The indices of the frames that are said to be cuts."""
    if times_ms is None:
        times_ms = 40.0 * np.arange(len(pixels))
    finder = SceneCuts()
    return [
        index
        for index, (frame, time_ms) in enumerate(zip(pixels, times_ms, strict=True))
        if finder.is_cut(Frame(index, float(time_ms), frame))
    ]


def drift(seed, count=8):
    """A scene that a calm hand films."""
    picture = scene(seed)
    return [seen(picture, 0.5 + 0.003 * n, 0.5) for n in range(count)]


def darkened(frames):
    return [cv2.convertScaleAbs(frame, alpha=0.1) for frame in frames]


@pytest.mark.parametrize("change", [list, darkened])
@pytest.mark.parametrize("seed", range(0, 20, 2))
def test_a_cut_between_two_scenes_is_found_at_once(seed, change):
    assert cuts(change([*drift(seed), *drift(seed + 1)])) == [8]


def test_a_cut_to_another_brightness_is_found():
    assert cuts([*drift(0), *darkened(drift(1))]) == [8]
    assert cuts([*darkened(drift(0)), *drift(1)]) == [8]


def test_another_face_on_the_same_wall_is_a_cut_at_the_second_frame_at_the_latest():
    wall = np.full((HEIGHT, WIDTH, 3), 190, np.uint8)

    def with_face(seed):
        frame = wall.copy()
        frame[30:90, 55:105] = scene(seed, (50, 60))
        return frame

    for seed in range(0, 20, 2):
        found = cuts([with_face(seed)] * 6 + [with_face(seed + 1)] * 6)
        assert found in ([6], [7])


def flashed(frames, gain, offset, at):
    return [
        np.clip(frame * gain + offset, 0, 255).astype(np.uint8) if n in at else frame
        for n, frame in enumerate(frames)
    ]


def captioned(frames, shown):
    frames = [frame.copy() for frame in frames]
    for index in shown:
        cv2.putText(frames[index], "A CAPTION", (30, 110), 0, 0.6, (255, 255, 255), 2)
    return frames


T = np.arange(20)
UNCUT = {
    "still": [seen(scene(0))] * 20,
    "pan": [seen(scene(0), 0.5 + 0.2 * np.sin(t / 3)) for t in T],
    "zoom": [seen(scene(0), zoom=np.exp(0.3 * np.sin(t / 3))) for t in T],
    "roll": [seen(scene(0), degrees=20 * np.sin(t / 4)) for t in T],
    "shake": [seen(scene(0), *(0.5 + 0.02 * np.sin([2.1 * t, 2.7 * t]))) for t in T],
    "whip pan": [seen(scene(0), 0.3 + 0.06 * np.clip(t - 8, 0, 6)) for t in T],
    "flash": flashed(drift(0, 20), 2.5, 60, (7, 12, 13)),
    "white frames": flashed(drift(0, 20), 1, 255, (7, 12, 13)),
    "black frames": flashed(drift(0, 20), 0, 0, (7, 12, 13)),
    "flicker": [cv2.convertScaleAbs(seen(scene(0)), alpha=1 - t % 3 / 4) for t in T],
    "caption": captioned(drift(0, 20), range(6, 13)),
    "light off": [*drift(0, 10), *darkened(drift(0, 10))],
}


@pytest.mark.parametrize("change", [list, darkened])
@pytest.mark.parametrize("name", UNCUT)
def test_motion_and_light_are_no_cuts(name, change):
    assert cuts(change(UNCUT[name])) == []


def test_a_pan_after_lost_frames_is_no_cut():
    pixels = [*drift(0), *[seen(scene(0), 0.6 + 0.003 * n) for n in range(8)]]
    times_ms = [40.0 * n + (900 if n >= 8 else 0) for n in range(16)]
    assert cuts(pixels, times_ms) == []


def test_a_cut_after_lost_frames_or_behind_a_flash_is_found():
    times_ms = [40.0 * n + (900 if n >= 8 else 0) for n in range(16)]
    assert cuts([*drift(0), *drift(1)], times_ms) == [8]
    white = [np.full((HEIGHT, WIDTH, 3), 255, np.uint8)]
    assert cuts([*drift(0), *white, *drift(1)]) == [9]


def test_a_frame_of_another_size_is_a_cut():
    larger = [cv2.resize(frame, (320, 240)) for frame in drift(0)]
    assert cuts([*drift(0), *larger]) == [8]
    black = [np.zeros((90, 160, 3), np.uint8)]
    assert cuts([*drift(0), *black, *larger]) == [8, 9]


def test_frames_of_which_none_resembles_another_have_no_cuts():
    noise = np.random.default_rng(0)
    frames = noise.integers(0, 256, (12, HEIGHT, WIDTH, 3), dtype=np.uint8)
    assert cuts(frames) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (7, 9), (30, 640)])
def test_frames_of_any_size_are_compared(size):
    noise = np.random.default_rng(0)
    frames = noise.integers(0, 256, (6, *size, 3), dtype=np.uint8)
    cuts(list(frames))


def test_the_same_video_has_the_same_cuts():
    frames = [*drift(0), *drift(1), *UNCUT["shake"], *drift(2)]
    assert cuts(frames) == cuts([frame.copy() for frame in frames])


def test_a_thumbnails_longer_side_has_its_length():
    for size in [(480, 640, 3), (1080, 1920, 3), (640, 480, 3)]:
        thumbnail = thumbnails.make_thumbnail(np.zeros(size, np.uint8))
        assert max(thumbnail.shape) == thumbnails.SIDE_PX
    assert thumbnails.make_thumbnail(np.zeros((30, 40, 3), np.uint8)).shape == (30, 40)


BOX = Detection(np.array([50.0, 30, 60, 60]), np.zeros((5, 2)), 0.9)


def face_frames(label_bgr, seed, count=6):
    """A face of a colour in front of a scene."""
    frames = drift(seed, count)
    for frame in frames:
        frame[45:75, 65:95] = label_bgr
    return frames


RED, GREEN = (0, 0, 250), (0, 250, 0)


def read(classifier, pixels, **settings):
    """The followed face of each frame, and the frames at which the detector looked."""
    live = loop.LiveConfig(smoothing_ms=1e6, hold_ms=1e6, **settings)
    looks = []

    def detect(frame):
        looks.append(frame.index)
        return [BOX]

    reader = loop.Reader(Recogniser(None, classifier), live, detect=detect)
    frames = [Frame(n, 40.0 * n, frame) for n, frame in enumerate(pixels)]
    return [reader(frame).faces[0] for frame in frames], looks


def test_a_cut_ends_the_track_and_the_smoothing(classifier):
    """The second person, in the place of the first, is not blended with the first."""
    pixels = [*face_frames(RED, 0), *face_frames(GREEN, 1)]
    faces, _ = read(classifier, pixels)
    assert [face.face_id for face in faces] == [1] * 6 + [2] * 6
    assert [face.label for face in faces] == ["Angry"] * 6 + ["Happy"] * 6
    first = faces[6]
    np.testing.assert_allclose(
        first.smoothed.probabilities, first.face.probabilities, atol=1e-6
    )


def test_without_a_cut_the_track_and_the_smoothing_go_on(classifier):
    pixels = face_frames(RED, 0, count=12)
    for frame in pixels[6:]:
        frame[59:61, 79:81] = GREEN
    faces, _ = read(classifier, pixels)
    assert {face.face_id for face in faces} == {1}
    assert [face.face.label for face in faces] == ["Angry"] * 6 + ["Happy"] * 6
    assert {face.label for face in faces} == {"Angry"}


def test_after_a_cut_no_box_is_propagated(classifier):
    pixels = [*face_frames(RED, 0), *face_frames(RED, 1)]
    _, looks = read(classifier, pixels, detect_every=20)
    assert looks == [0, 6]
