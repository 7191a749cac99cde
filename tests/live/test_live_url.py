"""Videos and streams by URL: what ends, what is live, and what cannot be reached."""

import dataclasses
import http.server
import socket
import threading
import time

import cv2
import numpy as np
import pytest

from fer_tf.errors import OutsideError
from fer_tf.live import camera
from fer_tf.live import video_library
from fer_tf.live import video_writer
from fer_tf.live.frames import Frame

COUNT = 25


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the server's `content`, with or without a length, whole or in part."""

    def do_GET(self):
        self.server.requests.append(self.path)
        name, _, how = self.path[1:].partition("?")
        if name not in self.server.content:
            self.send_error(404)
            return
        content = self.server.content[name]
        self.send_response(200)
        if name.endswith(".m3u8"):
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
        if name == "multipart":
            kind = "multipart/x-mixed-replace; boundary=frame"
            self.send_header("Content-Type", kind)
        if "length" in how or "broken" in how:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if "broken" in how else content)
        if "stalled" in how:
            self.wfile.flush()
            self.server.over.wait(20)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server on this machine: `site.content` by name, and `site.requests`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.content, server.requests = {}, []
    server.over = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    folder = tmp_path_factory.mktemp("site")
    for name, encoding in (
        ("a.mp4", video_writer.PLAYABLE),
        ("a.mkv", video_writer.LOSSLESS),
    ):
        noise = np.random.default_rng(0)
        with video_writer.writing(folder / name, 25.0, encoding) as writer:
            for index in range(COUNT):
                pixels = noise.integers(0, 256, (64, 64, 3), dtype=np.uint8)
                writer.write(pixels, 40.0 * index)
        server.content[name] = (folder / name).read_bytes()
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def forget_requests(site):
    site.requests.clear()


def no_camera(name):
    raise AssertionError(f"{name} was opened as a live stream")


def read(url):
    source = camera.open_source(url, capture=no_camera)
    try:
        assert not source.is_live
        return list(source)
    finally:
        source.close()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("how", ["length", "close"])
def test_a_finite_video_ends_once(site, caplog, name, how):
    frames = read(f"{site.url}/{name}?{how}")
    assert [frame.time_ms for frame in frames] == [40 * i for i in range(COUNT)]
    opened = len(site.requests)
    time.sleep(0.05)
    assert len(site.requests) == opened <= 2
    assert not caplog.records


def test_a_complete_playlist_ends(site, tmp_path):
    site.content["vod.m3u8"] = playlist(site, tmp_path, ended=True)
    assert len(read(f"{site.url}/vod.m3u8")) == COUNT


def playlist(site, folder, ended):
    """Put a segment of a second on the site, and return a playlist of it."""
    path = folder / "a.ts"
    encoding = dataclasses.replace(
        video_writer.PLAYABLE, container="mpegts", container_options={}
    )
    with video_writer.writing(path, 25.0, encoding) as writer:
        for index in range(COUNT):
            writer.write(np.zeros((64, 64, 3), np.uint8), 40.0 * index)
    site.content["a.ts"] = path.read_bytes()
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1.0,", "a.ts"]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else []), ""]).encode()


class Stream:
    """Stands for cv2.VideoCapture of a live stream that breaks once."""

    def __init__(self, opened):
        self.opened = opened
        self.count = 0

    def isOpened(self):
        return True

    def get(self, what):
        return 25.0

    def read(self):
        time.sleep(0.004)
        self.count += 1
        broken = len(self.opened) == 1 and self.count > 2
        return not broken, np.full((4, 6, 3), self.count, np.uint8)

    def release(self):
        pass


def watch_twice(url, monkeypatch):
    """Return how often a live stream is opened until it has come back."""
    monkeypatch.setattr(camera, "RETRY_S", 0.002)
    opened = []

    def capture(name):
        assert name == url
        opened.append(Stream(opened))
        return opened[-1]

    source = camera.open_source(url, capture=capture)
    assert source.is_live
    for seen in source:
        if isinstance(seen, Frame) and len(opened) > 1:
            break
    source.close()
    return len(opened)


@pytest.mark.parametrize("scheme", ["rtsp", "RTSP", "rtmp", "rtp", "udp", "srt"])
def test_a_stream_by_its_scheme_is_live(scheme, monkeypatch):
    assert watch_twice(f"{scheme}://camera.local/1", monkeypatch) == 2


def test_multipart_jpeg_is_live(site, monkeypatch):
    jpeg = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    site.content["multipart"] = (head.encode() + jpeg + b"\r\n") * 10
    assert watch_twice(f"{site.url}/multipart", monkeypatch) == 2


def test_a_playlist_without_an_end_is_live(site, tmp_path, monkeypatch):
    site.content["live.m3u8"] = playlist(site, tmp_path, ended=False)
    assert watch_twice(f"{site.url}/live.m3u8", monkeypatch) == 2


def test_a_connection_that_breaks_is_an_error_after_what_came(site):
    source = camera.open_source(f"{site.url}/a.mkv?broken", capture=no_camera)
    frames = []
    with pytest.raises(OutsideError, match=r"/a\.mkv .* 0\.\d s .* 1\.0 s"):
        for frame in source:
            frames.append(frame.index)
    source.close()
    assert frames == list(range(len(frames))) and 5 < len(frames) < COUNT


def test_a_server_that_stalls_is_given_up(site, monkeypatch):
    monkeypatch.setattr(video_library, "URL_TIMEOUT_S", 0.3)
    site.content["stalled.mkv"] = site.content["a.mkv"][:60_000]
    source = camera.open_source(f"{site.url}/stalled.mkv?stalled", capture=no_camera)
    began = time.monotonic()
    with pytest.raises(OutsideError, match=r"stalled\.mkv"):
        list(source)
    source.close()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("path", ["nothing.mp4", "page"])
def test_a_url_without_a_video_is_named_without_its_password(site, path):
    site.content["page"] = b"<html>no video</html>"
    url = f"{site.url}/{path}?token=secret".replace("//", "//me:secret@")
    with pytest.raises(OutsideError, match=f"{site.url}/{path}") as raised:
        camera.open_source(url)
    assert "secret" not in str(raised.value)
    assert "plugged" not in str(raised.value)


def test_a_dead_url_does_not_speak_of_plugs():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for scheme in ("http", "rtsp"):
        with pytest.raises(OutsideError, match=f"{scheme}://{address}/a") as raised:
            camera.open_source(f"{scheme}://{address}/a")
        assert "plugged" not in str(raised.value)
        assert "--list-cameras" not in str(raised.value)
