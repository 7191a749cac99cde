"""Video files as people have them, read as players show them."""

import re
import types
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import camera
from fer_tf.live import video_file
from fer_tf.live import video_library

# The left upper quarter is blue, the right upper one green, the left lower one red.
CORNERS = np.zeros((32, 48, 3), np.uint8)
CORNERS[:16, :24, 0] = CORNERS[:16, 24:, 1] = CORNERS[16:, :24, 2] = 250
MS = Fraction(1, 1000)
EVERY_40_MS = [40 * index for index in range(25)]


def make(
    path,
    times_ms,
    *,
    codec="libx264",
    rate=25,
    sound_ms=None,
    before=None,
    options=None,
    container_options=None,
):
    """Write a video of `CORNERS` at these times, and sound of silence.

    Args:
        sound_ms: when the sound begins and ends; None for no sound.
        before: changes the video stream before anything is written.
        options: of the encoder.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = CORNERS.shape[:2]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = stream.time_base = MS
        if before:
            before(stream)
        packets = list(_sound(container, sound_ms)) if sound_ms else []
        for time_ms in times_ms:
            frame = av.VideoFrame.from_ndarray(CORNERS, format="bgr24")
            frame.pts, frame.time_base = round(time_ms), MS
            packets += stream.encode(frame)
        packets += stream.encode()
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _sound(container, span_ms, codec="pcm_s16le"):
    stream = container.add_stream(codec, rate=8000)
    begin_ms, end_ms = span_ms
    for time_ms in range(begin_ms, end_ms, 100):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = 8000, 8 * time_ms
        frame.time_base = Fraction(1, 8000)
        yield from stream.encode(frame)
    yield from stream.encode()


def remux(source, path, change):
    """Copy a video's packets, each changed by `change`, without encoding them."""
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                change(packet)
                packet.stream = stream
                written.mux(packet)
    return path


def read(path):
    source = camera.open_source(str(path))
    try:
        return list(source)
    finally:
        source.close()


def times_of(path):
    return [frame.time_ms for frame in read(path)]


GAP_MS = [0, 40, 80, 77_000, 77_040]


@pytest.mark.parametrize(
    "times_ms", [EVERY_40_MS, GAP_MS, [0, 90_000, 180_000], [0, 33, 67, 100]]
)
@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx")],
)
def test_every_frame_has_its_own_time(tmp_path, caplog, times_ms, name, codec):
    frames = read(make(tmp_path / name, times_ms, codec=codec))
    assert [frame.index for frame in frames] == list(range(len(times_ms)))
    assert [frame.time_ms for frame in frames] == times_ms
    durations_ms = [frame.duration_ms for frame in frames[:-1]]
    assert durations_ms == np.diff(times_ms).tolist()
    assert frames[-1].duration_ms > 0
    assert not caplog.records


def test_decoding_agrees_with_opencv(tmp_path):
    """What OpenCV read before stays as it was, to the last bit."""
    path = make(tmp_path / "a.mp4", EVERY_40_MS)
    capture = cv2.VideoCapture(str(path))
    for frame in read(path):
        np.testing.assert_array_equal(frame.pixels_bgr, capture.read()[1])
        assert frame.time_ms == pytest.approx(capture.get(cv2.CAP_PROP_POS_MSEC))


@pytest.mark.parametrize("name", ["a.mkv", "a.mov"])
def test_time_counts_from_the_containers_start(tmp_path, name):
    """The sound begins first; players count from there."""
    late_ms = [850 + time_ms for time_ms in EVERY_40_MS]
    path = make(tmp_path / name, late_ms, sound_ms=(0, 2000))
    assert times_of(path) == pytest.approx(late_ms, abs=0.5)
    path = make(tmp_path / f"b{name}", late_ms, sound_ms=(400, 2000))
    assert times_of(path) == pytest.approx([t - 400 for t in late_ms], abs=0.5)


@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_a_clock_that_does_not_begin_at_0_counts_from_its_beginning(
    tmp_path, caplog, name
):
    shifted_ms = [36_000_000 + time_ms for time_ms in EVERY_40_MS]
    path = make(tmp_path / name, shifted_ms, options={"bf": "0"})
    assert times_of(path) == EVERY_40_MS
    assert not caplog.records


def test_what_an_edit_list_cuts_off_is_not_shown(tmp_path, caplog):
    """Editors cut without encoding, so frames precede the first one shown."""
    whole = make(tmp_path / "a.mp4", [40 * index for index in range(50)])

    def shift(packet):
        by = round(Fraction(1, packet.time_base))
        packet.pts, packet.dts = packet.pts - by, packet.dts - by

    assert times_of(remux(whole, tmp_path / "cut.mp4", shift)) == EVERY_40_MS
    assert not caplog.records


@pytest.mark.parametrize(
    ("degrees", "flip", "expected"),
    [
        (90, False, np.rot90(CORNERS)),
        (180, False, np.rot90(CORNERS, 2)),
        (-90, False, np.rot90(CORNERS, -1)),
        (0, True, CORNERS[:, ::-1]),
        (90, True, np.rot90(CORNERS)[:, ::-1]),
    ],
)
def test_frames_are_upright(tmp_path, degrees, flip, expected):
    path = make(
        tmp_path / "a.mp4",
        [0, 40],
        before=lambda stream: stream.set_display_rotation(degrees, hflip=flip),
    )
    for frame in read(path):
        assert frame.pixels_bgr.shape == expected.shape
        assert np.abs(frame.pixels_bgr.astype(int) - expected).mean() < 6


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "libx264"), ("a.mkv", "ffv1"), ("a.ts", "libx264")]
)
def test_a_container_without_frame_counts_is_no_damage(tmp_path, caplog, name, codec):
    assert times_of(make(tmp_path / name, EVERY_40_MS, codec=codec)) == EVERY_40_MS
    assert len(times_of(make(tmp_path / f"gap-{name}", GAP_MS, codec=codec))) == 5
    assert not caplog.records


def test_sound_that_outlasts_the_images_is_no_damage(tmp_path, caplog):
    path = make(tmp_path / "a.mkv", EVERY_40_MS, sound_ms=(0, 5000))
    assert times_of(path) == EVERY_40_MS
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "options"), [("a.mkv", {}), ("a.mp4", {"movflags": "faststart"})]
)
def test_a_file_that_ends_early_is_reported_by_time(tmp_path, caplog, name, options):
    times_ms = [40 * index for index in range(375)]
    path = make(tmp_path / name, times_ms, container_options=options)
    assert times_of(path) == times_ms
    assert not caplog.records
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 4 // 5])
    frames = read(path)
    end_s = (frames[-1].time_ms + 40) / 1000
    assert 5 < end_s < 14
    (record,) = caplog.records
    assert re.search(rf" {end_s:.1f} s .* 15\.0 s", record.getMessage())


def test_packets_that_do_not_decode_are_skipped(tmp_path):
    """Players go on after them as well."""
    path = make(tmp_path / "a.mkv", EVERY_40_MS, options={"g": "1", "bf": "0"})

    def damage(packet):
        if packet.pts == 400:
            packet.update(bytes(packet.size))

    times_ms = times_of(remux(path, tmp_path / "damaged.mkv", damage))
    assert times_ms == [time_ms for time_ms in EVERY_40_MS if time_ms != 400]


def test_joined_recordings_have_one_clock(tmp_path, caplog):
    parts = [
        make(tmp_path / f"{number}.ts", EVERY_40_MS, options={"bf": "0"})
        for number in range(3)
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert times_of(joined) == [40 * index for index in range(75)]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_stream_without_timestamps_has_its_nominal_rate(tmp_path, caplog):
    path = make(tmp_path / "a.h264", EVERY_40_MS, options={"bf": "0"})
    assert times_of(path) == EVERY_40_MS
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_nominal_rate_is_the_containers(tmp_path):
    for name, rate in (("a.mp4", 25), ("b.mkv", Fraction(1, 90)), ("c.mkv", 30)):
        times_ms = [1000 * index / rate for index in range(4)]
        path = make(tmp_path / name, times_ms, codec="ffv1", rate=rate)
        source = camera.open_source(str(path))
        assert source.rate == pytest.approx(float(rate), rel=0.01)
        source.close()


def test_a_file_of_sound_alone_is_named(tmp_path):
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        for packet in _sound(container, (0, 500)):
            container.mux(packet)
    with pytest.raises(OutsideError, match=str(path)):
        camera.open_source(str(path))


def test_a_song_with_a_cover_is_not_a_video(tmp_path):
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as container:
        sound = _sound(container, (0, 500), codec="libmp3lame")
        cover = container.add_stream("mjpeg", rate=25)
        cover.height, cover.width = CORNERS.shape[:2]
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(CORNERS, format="bgr24")
        for packet in [*sound, *cover.encode(frame), *cover.encode()]:
            container.mux(packet)
    with av.open(str(path)) as container:
        assert container.streams.video
    with pytest.raises(OutsideError, match=str(path)):
        camera.open_source(str(path))


def test_a_video_without_a_frame_is_named(tmp_path):
    path = make(tmp_path / "a.mkv", EVERY_40_MS, codec="ffv1")
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(OutsideError, match=str(path)):
        read(path)


def test_a_file_that_is_no_video_is_named(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"this is no video" * 100)
    with pytest.raises(OutsideError, match=str(path)):
        camera.open_source(str(path))


def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "a.mp4", EVERY_40_MS).rename("talk-10:30.mp4")
    assert times_of("talk-10:30.mp4") == EVERY_40_MS


def test_without_pyav_the_package_is_named(tmp_path, monkeypatch):
    def refuse(name):
        raise ImportError(f"No module named {name!r}")

    path = make(tmp_path / "a.mp4", EVERY_40_MS)
    monkeypatch.setattr(video_library.importlib, "import_module", refuse)
    with pytest.raises(UserError, match="pip install"):
        camera.open_source(str(path))


def test_a_video_can_be_closed_before_its_end(tmp_path):
    source = camera.open_source(str(make(tmp_path / "a.mp4", EVERY_40_MS)))
    assert next(iter(source)).index == 0
    source.close()
    source = camera.open_source(str(tmp_path / "a.mp4"))
    source.close()
    assert isinstance(source, video_file.VideoFile)


def test_an_unknown_codec_is_named(tmp_path):
    path = make(tmp_path / "a.mp4", EVERY_40_MS)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(OutsideError, match=str(path)):
        camera.open_source(str(path))


def test_a_display_matrix_may_have_any_numbers():
    matrix = np.array([2**31 - 1, -(2**31), 0, -(2**31), 0, 0, 0, 0, 0], np.int64)
    decoded = types.SimpleNamespace(
        side_data={"DISPLAYMATRIX": matrix.astype(np.int32).tobytes()}
    )
    turned = video_file.upright(CORNERS, decoded)
    np.testing.assert_array_equal(turned, CORNERS.swapaxes(0, 1)[::-1, ::-1])


@pytest.mark.parametrize(
    ("ratio", "shape"),
    [
        (Fraction(16, 9), (32, 85)),
        (Fraction(3, 4), (43, 48)),
        # Rounding that editors leave, and damage.
        (Fraction(1001, 1000), (32, 48)),
        (Fraction(200, 1), (32, 48)),
    ],
)
def test_pixels_are_square(tmp_path, ratio, shape):
    """A face of an anamorphic video would be squeezed."""

    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = ratio

    path = make(tmp_path / "a.mkv", [0, 40], before=stretch)
    assert {frame.pixels_bgr.shape for frame in read(path)} == {(*shape, 3)}


def test_a_frame_is_stretched_before_it_is_turned(tmp_path):
    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = 2
        stream.set_display_rotation(90)

    path = make(tmp_path / "a.mp4", [0, 40], before=stretch)
    assert {frame.pixels_bgr.shape for frame in read(path)} == {(96, 32, 3)}


def test_a_frame_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    path = make(tmp_path / "a.mkv", [0, 40])
    monkeypatch.setattr(video_file, "MAX_PIXELS", 48 * 32 - 1)
    with pytest.raises(OutsideError, match="48x32"):
        camera.open_source(str(path))


def test_the_size_of_a_frame_is_checked_while_decoding_too(tmp_path, monkeypatch):
    """A stream may change its size, and stretching makes a frame larger."""

    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = 4

    path = make(tmp_path / "a.mkv", [0, 40], before=stretch)
    monkeypatch.setattr(video_file, "MAX_PIXELS", 5000)
    with pytest.raises(OutsideError, match="192x32"):
        read(path)


@pytest.mark.parametrize("rate", [500, 1000])
def test_the_rate_of_a_high_speed_camera_is_believed(tmp_path, rate):
    times_ms = [1000 * index / rate for index in range(20)]
    path = make(tmp_path / "a.mp4", times_ms, rate=rate, options={"bf": "0"})
    source = camera.open_source(str(path))
    assert source.rate == pytest.approx(rate)
    source.close()
