"""Compare OpenCV and PyAV as the library that reads and writes video files.

    python benchmarks/video_io.py --film FILM [--runs N]

Milliseconds are CPU time per frame, measured side by side in one process; memory and
import time are those of fresh processes.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

WRITTEN = 150
IMPORT = """
import time, resource
def mb():
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
import cv2
before, began = mb(), time.perf_counter()
import {name}
print(time.perf_counter() - began, mb() - before)
"""


def main() -> None:
    """Print two tables: reading, and writing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    seconds, megabytes = np.median(
        [_import("av") for _ in range(options.runs)], axis=0
    )
    print(f"`import av` after `import cv2`: {seconds:.3f} s, {megabytes:.0f} MB\n")
    film = str(options.film)
    ways = {"OpenCV": lambda: _opencv(film), "PyAV": lambda: _pyav(film)}
    pairs = zip(_opencv(film), _pyav(film), strict=True)
    differ = max(int(cv2.absdiff(ours, theirs).max()) for ours, theirs in pairs)
    print(f"pixels differ by at most {differ}\n\n| read | ms a frame |\n|---|---|")
    for name, milliseconds in _timed(ways, options.runs).items():
        print(f"| {name} | {milliseconds:.2f} |")
    frames = [pixels for pixels, _ in zip(_opencv(film), range(WRITTEN), strict=False)]
    with tempfile.TemporaryDirectory() as folder:
        print("\n| write | ms a frame | MB |\n|---|---|---|")
        sizes: dict[str, float] = {}
        writing = {
            name: _writer(name, frames, Path(folder), sizes)
            for name in ("mp4v", "FFV1", "libx264", "ffv1", "libvpx")
        }
        for name, milliseconds in _timed(writing, options.runs).items():
            print(f"| {name} | {milliseconds:.2f} | {sizes[name]:.2f} |")


def _import(name: str) -> tuple[float, float]:
    command = [sys.executable, "-c", IMPORT.format(name=name)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def _timed(ways: dict[str, Callable], runs: int) -> dict[str, float]:
    """Return the least CPU time per frame of each way, in ms, the ways in turn."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, frames in ways.items():
            began = time.process_time()
            count = sum(1 for _ in frames())
            times[name].append(1000 * (time.process_time() - began) / count)
    return {name: min(values) for name, values in times.items()}


def _opencv(film: str):
    capture = cv2.VideoCapture(film)
    while (read := capture.read())[0]:
        yield read[1]


def _pyav(film: str):
    convert = av.video.reformatter.VideoReformatter()
    with av.open(film) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield convert.reformat(frame, format="bgr24").to_ndarray()


def _writer(name: str, frames: list, folder: Path, sizes: dict) -> Callable:
    """Return what writes the frames by a codec of OpenCV's or of PyAV's."""

    def write():
        path = folder / f"{name}{'.mkv' if name.lower() == 'ffv1' else '.mp4'}"
        (_opencv_write if name in ("mp4v", "FFV1") else _pyav_write)(path, name, frames)
        sizes[name] = path.stat().st_size / 1e6
        return frames

    return write


def _opencv_write(path: Path, name: str, frames: list) -> None:
    size = frames[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*name), 25, size)
    for pixels in frames:
        writer.write(pixels)
    writer.release()


def _pyav_write(path: Path, name: str, frames: list) -> None:
    options = {
        "libx264": {"preset": "ultrafast", "crf": "20", "bf": "0"},
        "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "2M"},
    }
    kind = "webm" if name == "libvpx" else None
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(name, rate=25, options=options.get(name, {}))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0" if name == "ffv1" else "yuv420p"
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
