"""The live view for many minutes on a camera that misbehaves: what does it keep?

    python benchmarks/live_soak.py --film FILM... --bundle DIR --minutes 10

The camera shows the films over and over at their rate. Every few seconds it has one of
the faults below, all of them in turn. Where there is a display the window is open, and
a session is written. Memory, threads and open files are read every second, by the
minute; it ends with 1 if they grow. Linux alone tells of them so.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import fer_tf
from fer_tf.config import LiveConfig
from fer_tf.live import camera
from fer_tf.live import play
from fer_tf.live.frames import Frame
from fer_tf.live.frames import Silence

RATE = 25.0
# A fault begins so often and lasts for so many frames, or seconds.
EVERY_S = 4.0
FAULT_FRAMES = 10
AWAY_S = 2.0
STALL_S = 1.5
# More than this in the second half is growth; in the first, buffers find their sizes.
MOST_GROWTH_MB = 5.0


def _other_size(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, (320, 200))


def _huge(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, (7680, 4320))


def _crowd(pixels: np.ndarray) -> np.ndarray:
    return np.tile(cv2.resize(pixels, (256, 144)), (5, 10, 1))


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "grey": lambda pixels: cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY),
    "four channels": lambda pixels: cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA),
    "16 bits": lambda pixels: pixels.astype(np.uint16) << 8,
    "another size": _other_size,
    "1 x 1": lambda pixels: pixels[:1, :1],
    "8K": _huge,
    "no face": np.zeros_like,
    "fifty faces": _crowd,
    "fractions": lambda pixels: pixels / 255,
}
FAULTS = (*KINDS, "unplugged", "stalls", "raises")


class Driver:
    """What opens the camera, and knows which fault it has."""

    def __init__(self, films: list[Path]) -> None:
        self._frames = [pixels for film in films for pixels in _pixels(film)]
        self._number = 0
        self._started_s = time.monotonic()
        self._away_until_s = 0.0
        self.begun: dict[str, int] = dict.fromkeys(FAULTS, 0)

    def open(self, name: str | int) -> "Driver":
        """Open the camera, or try to."""
        return self

    def isOpened(self) -> bool:
        return time.monotonic() >= self._away_until_s

    def get(self, what: int) -> float:
        return RATE if what == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        """Do nothing: the frames are in memory."""

    def read(self) -> tuple[bool, np.ndarray | None]:
        """Return the next frame when it is due, unless the fault is another."""
        time.sleep(1 / RATE)
        self._number += 1
        pixels = self._frames[self._number % len(self._frames)]
        period = int(RATE * EVERY_S)
        place = self._number % period
        if place >= FAULT_FRAMES:
            return True, pixels
        fault = FAULTS[self._number // period % len(FAULTS)]
        self.begun[fault] += place == 0
        if fault in KINDS:
            return True, KINDS[fault](pixels)
        return self._fail(fault, place, pixels)

    def _fail(
        self, fault: str, place: int, pixels: np.ndarray
    ) -> tuple[bool, np.ndarray | None]:
        if place > 0:
            return True, pixels
        if fault == "stalls":
            time.sleep(STALL_S)
            return True, pixels
        self._away_until_s = time.monotonic() + AWAY_S
        if fault == "raises":
            raise cv2.error("device lost")
        return False, None


class Watched:
    """A source for some minutes, and what the process held in each of them."""

    is_live = True
    rate = RATE

    def __init__(self, source: camera.Camera, minutes: float) -> None:
        self._source = source
        self._minutes = minutes
        # Of each second: minute, frames, silences, memory in MB, threads, files.
        self.held: list[tuple[int, int, int, float, int, int]] = []

    def __iter__(self) -> Iterator[Frame | Silence]:
        began = looked = time.monotonic()
        frames = silences = 0
        for seen in self._source:
            yield seen
            frames += isinstance(seen, Frame)
            silences += isinstance(seen, Silence) and bool(seen.why)
            now = time.monotonic()
            minute = int((now - began) // 60)
            if now - looked >= 1 and minute < self._minutes:
                self.held.append((minute, frames, silences, *_held()))
                frames, silences, looked = 0, 0, now
            if now - began >= 60 * self._minutes:
                return

    def close(self) -> None:
        self._source.close()


def main() -> None:
    """Print the table, a row per minute."""
    options = _options()
    driver = Driver(options.film)
    watched = Watched(camera.open_source("0", capture=driver.open), options.minutes)
    with tempfile.TemporaryDirectory() as folder:
        play.play(
            watched,
            fer_tf.load(options.bundle),
            LiveConfig(detect_every=options.detect_every),
            name="0",
            folder=Path(folder, "session"),
            headless="DISPLAY" not in os.environ,
        )
    print(f"window: {'DISPLAY' in os.environ}; faults: ", end="")
    print(", ".join(f"{count} x {fault}" for fault, count in driver.begun.items()))
    sys.exit(_report(np.array(watched.held)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", type=Path, nargs="+", required=True)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--detect-every", type=int, default=1)
    return parser.parse_args()


def _pixels(film: Path) -> Iterator[np.ndarray]:
    """Yield four seconds of a film."""
    source = camera.open_source(str(film))
    for frame, _ in zip(source, range(int(4 * RATE))):
        yield frame.pixels_bgr
    source.close()


def _held() -> tuple[float, int, int]:
    """Return this process' resident memory in MB, its threads, and its open files."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    threads, files = (len(os.listdir(f"/proc/self/{name}")) for name in ("task", "fd"))
    return int(line.split()[1]) / 1024, threads, files


def _report(held: np.ndarray) -> int:
    print("\n| minute | frames | told of | memory, MB | at most | threads | files |")
    print("|---|---|---|---|---|---|---|")
    medians = []
    for minute in np.unique(held[:, 0]):
        rows = held[held[:, 0] == minute]
        frames, silences = rows[:, 1:3].sum(axis=0)
        medians.append(np.median(rows[:, 3:], axis=0))
        memory, threads, files = medians[-1]
        print(f"| {minute + 1:.0f} | {frames:.0f} | {silences:.0f} ", end="")
        print(f"| {memory:.1f} | {rows[:, 3].max():.1f} ", end="")
        print(f"| {threads:.0f} | {files:.0f} |")
    half = np.array(medians)[len(medians) // 2:]
    growth = half[-1] - half[0]
    print(f"\nover the second half: {growth[0]:+.1f} MB, ", end="")
    print(f"{growth[1]:+.0f} threads, {growth[2]:+.0f} files")
    return int(growth[0] > MOST_GROWTH_MB or growth[1] > 0 or growth[2] > 0)


if __name__ == "__main__":
    main()
