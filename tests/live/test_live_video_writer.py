"""Videos that are written: their times, their pixels, and what browsers ask of them."""

import dataclasses
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import camera
from fer_tf.live import video_writer

GRAY = np.full((48, 64, 3), 90, np.uint8)
# A video of 25 frames a second with a gap of 75 s, and one of NTSC's rate.
GAP_MS = [0.0, 40.0, 80.0, 75_080.0, 75_120.0]
NTSC_MS = [1001 * index / 30 for index in range(100)]


def write(path, times_ms, encoding=video_writer.PLAYABLE, pixels=GRAY, rate=25.0):
    writer = video_writer.VideoWriter(path, rate, encoding)
    for time_ms in times_ms:
        writer.write(pixels, time_ms)
    writer.close()
    return path


def read(path):
    source = camera.open_source(str(path))
    frames = list(source)
    source.close()
    return frames


@pytest.mark.parametrize("times_ms", [GAP_MS, NTSC_MS, [0.0], [0.0, 90_000.0]])
@pytest.mark.parametrize(
    ("name", "encoding", "within_ms"),
    [
        ("a.mp4", video_writer.PLAYABLE, 1 / 60),
        ("a.mkv", video_writer.LOSSLESS, 0.5),
    ],
)
def test_frames_are_written_at_their_own_times(
    tmp_path, times_ms, name, encoding, within_ms
):
    frames = read(write(tmp_path / name, times_ms, encoding))
    read_ms = [frame.time_ms for frame in frames]
    assert read_ms == pytest.approx(times_ms, abs=within_ms + 1e-9)


def test_the_last_frame_is_shown_as_long_as_the_one_before(tmp_path):
    frames = read(write(tmp_path / "a.mp4", [0, 40, 1240, 2440]))
    assert [frame.duration_ms for frame in frames] == [40, 1200, 1200, 1200]
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.duration == 3_640_000


def test_the_first_frame_is_shown_from_the_start(tmp_path):
    """Players hold it there, whereas a stream that starts late shifts all times."""
    frames = read(write(tmp_path / "a.mp4", [850, 890, 930]))
    assert [frame.time_ms for frame in frames] == [0, 890, 930]


def test_two_frames_within_a_tick_stay_two(tmp_path):
    times_ms = [0, 10.2, 10.3, 10.4, 50]
    frames = read(write(tmp_path / "a.mkv", times_ms, video_writer.LOSSLESS))
    assert [frame.time_ms for frame in frames] == [0, 10, 11, 12, 50]


def test_a_browser_can_play_it(tmp_path):
    path = write(tmp_path / "a.mp4", GAP_MS)
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert not stream.codec_context.has_b_frames
        assert stream.time_base <= Fraction(1, 60_000)
    # The index precedes the frames, so that it plays while it loads.
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_colors_stay(tmp_path):
    for color in ((250, 0, 0), (0, 250, 0), (0, 0, 250), (200, 120, 40)):
        pixels = np.full((48, 64, 3), color, np.uint8)
        (frame,) = read(write(tmp_path / "a.mp4", [0], pixels=pixels))
        np.testing.assert_allclose(frame.pixels_bgr.mean((0, 1)), color, atol=4)


@pytest.mark.parametrize("shape", [(48, 64, 3), (47, 63, 3), (1, 1, 3)])
def test_noise_of_any_size_is_lossless(tmp_path, shape):
    noise = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    writer = video_writer.VideoWriter(
        tmp_path / "a.mkv", 25.0, video_writer.LOSSLESS
    )
    for index, pixels in enumerate(noise):
        writer.write(pixels, 40.0 * index)
    writer.close()
    for pixels, frame in zip(noise, read(tmp_path / "a.mkv"), strict=True):
        np.testing.assert_array_equal(frame.pixels_bgr, pixels)


def test_odd_sides_are_made_even_for_a_browser(tmp_path):
    path = write(tmp_path / "a.mp4", [0], pixels=np.zeros((47, 63, 3), np.uint8))
    assert read(path)[0].pixels_bgr.shape == (48, 64, 3)


def test_frames_of_another_size_are_fitted_whole():
    frame = np.full((50, 200, 3), 255, np.uint8)
    fitted = video_writer.fit(frame, (100, 100))
    assert fitted.shape == (100, 100, 3)
    # 200 x 50 becomes 100 x 25, in the middle of black.
    assert fitted.any(axis=(1, 2)).sum() == pytest.approx(25, abs=1)
    assert fitted[50].all()


def test_without_a_frame_there_is_no_file(tmp_path):
    with video_writer.writing(tmp_path / "a.mp4", 25.0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_video_appears_when_it_is_complete(tmp_path):
    with video_writer.writing(tmp_path / "a.mp4", 25.0) as writer:
        writer.write(GRAY, 0.0)
        assert not (tmp_path / "a.mp4").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_folder_that_is_missing_is_named(tmp_path):
    path = tmp_path / "missing" / "a.mp4"
    writer = video_writer.VideoWriter(path, 25.0)
    with pytest.raises(OutsideError, match=str(path)):
        writer.write(GRAY, 0.0)
    with pytest.raises(OutsideError, match=str(path)):
        writer.close()


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="there is no /dev/full"
)
def test_a_full_disk_is_an_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    writer = video_writer.VideoWriter(
        Path("/dev/full"), 25.0, video_writer.LOSSLESS
    )
    with pytest.raises(OutsideError):
        for time_ms in range(60):
            writer.write(noise, time_ms)
    with pytest.raises(OutsideError):
        writer.close()


def test_a_path_that_is_not_utf8_is_refused(tmp_path):
    folder = tmp_path / "f\udcff"
    folder.mkdir()
    with pytest.raises(UserError):
        with video_writer.writing(folder / "a.mp4", 25.0) as writer:
            writer.write(GRAY, 0.0)
    (folder / "a.mp4").write_bytes(b"a video")
    with pytest.raises(UserError):
        camera.open_source(str(folder / "a.mp4"))


def test_an_encoder_that_is_missing_is_named(tmp_path):
    encoding = dataclasses.replace(video_writer.PLAYABLE, codec="libnothing")
    with pytest.raises(OutsideError, match="libnothing"):
        write(tmp_path / "a.mp4", [0], encoding)
