"""Scene cuts: how many are found, and how often motion or light is taken for one.

    python benchmarks/scene_cuts.py [--media FOLDER]

`FOLDER` holds videos, and images, of which a camera's slow pan is made. Where
`NAME.csv` (start_ms, end_ms) lies beside `NAME.mp4`, each of its intervals is a scene
of its own. Synthetic faces are always among the scenes. Half of the trials are darkened
to a tenth. The seed decides on all: thresholds were chosen with seeds below 100.
"""

import argparse
import csv
import statistics
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from fer_tf.live import camera
from fer_tf.live.frames import Frame
from fer_tf.live.scene_cuts import SceneCuts
from fer_tf.sources import drawn_film

# All clips are in memory. Frames are compared at no more than this in any case,
SIZE_WH = (320, 240)
# and timed at this.
TIMED_WH = (640, 480)
INTERVAL_MS = 40.0
# Frames of each side of a cut, and of a stretch without one.
SIDE, STRETCH = 12, 40
SYNTHETIC = 12
# What a camera sees, as a fraction of the frame's sides, so that it has room to move.
SEEN = 0.65
EXPOSURES = 4

Clip = list[np.ndarray]
# Clips by the scene that they show.
Scenes = dict[str, list[Clip]]


def main() -> None:
    """Print the tables."""
    options = _options()
    rng = np.random.default_rng(options.seed)
    cv2.setNumThreads(1)
    scenes = _synthetic(rng)
    if options.media:
        scenes |= _media(options.media, rng)
    clips = [clip for scene in scenes.values() for clip in scene]
    print(f"{len(clips)} clips of {len(scenes)} scenes, seed {options.seed}\n")
    print("| cuts | found at the first frame | at the second | missed | other cuts |")
    print("|---|---|---|---|---|")
    found = [_cut(scenes, rng) for _ in range(options.trials)]
    totals = np.sum(found, axis=0)
    print(f"| {options.trials} | {' | '.join(map(str, totals))} |\n")
    print("| stretches without a cut | | with a false one |")
    print("|---|---|---|")
    tried, false = Counter(), Counter()
    for number in range(options.trials):
        name = list(DISTURBANCES)[number % len(DISTURBANCES)]
        tried[name] += 1
        false[name] += _disturbed(clips, DISTURBANCES[name], rng)
    for name, count in tried.items():
        print(f"| {name} | {count} | {false[name]} |")
    print(f"| all | {tried.total()} | {false.total()} |\n")
    _time(clips)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--media", type=Path, metavar="FOLDER")
    parser.add_argument("--trials", type=int, default=100, help="of each kind")
    parser.add_argument("--seed", type=int, default=100)
    return parser.parse_args()


def _synthetic(rng: np.random.Generator) -> Scenes:
    scenes = {}
    for seed in rng.choice(10_000, SYNTHETIC, replace=False):
        faces = int(rng.integers(1, 4))
        film = drawn_film.film(int(seed), STRETCH / 25, size_wh_px=SIZE_WH, faces=faces)
        scenes[f"synthetic {seed}"] = [[frame.pixels_bgr for frame in film]]
    return scenes


def _media(folder: Path, rng: np.random.Generator) -> Scenes:
    """Return the clips of videos, of their intervals, and of images."""
    scenes = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in (".jpg", ".png"):
            photo = cv2.resize(cv2.imread(str(path)), None, fx=0.5, fy=0.5)
            centres = np.linspace(*rng.uniform(0.3, 0.7, (2, 2)), STRETCH)
            scenes[path.name] = [[_seen(photo, *centre, 0.6) for centre in centres]]
        elif path.suffix in (".mp4", ".mkv", ".webm", ".avi"):
            for scene, clip in _clips_of(path):
                scenes.setdefault(scene, []).append(clip)
    return scenes


def _clips_of(path: Path) -> Iterator[tuple[str, Clip]]:
    """Yield clips of `STRETCH` frames, each with the name of its scene."""
    intervals = path.with_suffix(".csv")
    ends_ms = []
    if intervals.exists():
        with open(intervals, newline="") as file:
            ends_ms = [float(row["end_ms"]) for row in csv.DictReader(file)]
    clip: Clip = []
    for frame in camera.open_source(str(path)):
        # Half a frame, since intervals are in whole milliseconds.
        if ends_ms and frame.time_ms + INTERVAL_MS / 2 >= ends_ms[0]:
            ends_ms.pop(0)
            clip = []
        clip.append(cv2.resize(frame.pixels_bgr, SIZE_WH, interpolation=cv2.INTER_AREA))
        if len(clip) == STRETCH:
            yield f"{path.name} {len(ends_ms)}", clip
            clip = []


def _cut(scenes: Scenes, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Put two scenes together; return what is found of the one cut."""
    frames: Clip = []
    for name in rng.choice(list(scenes), 2, replace=False):
        clip = scenes[name][rng.integers(len(scenes[name]))]
        start = rng.integers(0, STRETCH - SIDE + 1)
        frames += clip[start:start + SIDE]
    cuts = _cuts(_perhaps_darkened(frames, rng))
    at_once, late = SIDE in cuts, SIDE + 1 in cuts
    other = len(cuts - {SIDE, SIDE + 1})
    return int(at_once), int(late and not at_once), int(not (at_once or late)), other


def _disturbed(
    clips: list[Clip], disturb: Callable, rng: np.random.Generator
) -> bool:
    """Return whether a cut is found where there is none."""
    clip = clips[rng.integers(len(clips))]
    frames, times_ms = disturb(clip, rng)
    return bool(_cuts(_perhaps_darkened(frames, rng), times_ms))


def _perhaps_darkened(frames: Clip, rng: np.random.Generator) -> Clip:
    if rng.random() < 0.5:
        return frames
    return [cv2.convertScaleAbs(frame, alpha=0.1) for frame in frames]


def _cuts(frames: Clip, times_ms: np.ndarray | None = None) -> set[int]:
    if times_ms is None:
        times_ms = INTERVAL_MS * np.arange(len(frames))
    finder = SceneCuts()
    return {
        index
        for index, (pixels, time_ms) in enumerate(zip(frames, times_ms, strict=True))
        if finder.is_cut(Frame(index, float(time_ms), pixels))
    }


def _seen(
    pixels: np.ndarray, x: float, y: float, seen: float, degrees: float = 0.0
) -> np.ndarray:
    """Return what a camera sees that looks at (x, y), in fractions of the frame."""
    height, width = pixels.shape[:2]
    zoom = SIZE_WH[0] / (seen * width)
    centre = (x * width, y * height)
    warp = cv2.getRotationMatrix2D(centre, degrees, zoom)
    warp[:, 2] += np.array(SIZE_WH) / 2 - centre
    return cv2.warpAffine(pixels, warp, SIZE_WH, borderMode=cv2.BORDER_REFLECT)


def _filmed(clip: Clip, look: Callable[[float], tuple]) -> tuple[Clip, None]:
    """Film a clip by a moving camera, with its motion blur."""
    filmed = []
    for index, pixels in enumerate(clip):
        times = index + np.linspace(0, 0.5, EXPOSURES)
        exposed = [_seen(pixels, *look(moment)).astype(np.float32) for moment in times]
        filmed.append(np.mean(exposed, axis=0).round().astype(np.uint8))
    return filmed, None


def _pan(clip: Clip, rng: np.random.Generator) -> tuple[Clip, None]:
    """Pan to and fro, at most by 3 to 8 % of what is seen from frame to frame."""
    reach, speed = 0.15, rng.uniform(0.03, 0.08) * SEEN
    phase = rng.uniform(0, 6)
    return _filmed(
        clip,
        lambda t: (0.5 + reach * np.sin(speed / reach * t + phase), 0.5, SEEN),
    )


def _zoom(clip: Clip, rng: np.random.Generator) -> tuple[Clip, None]:
    """Zoom in and out, at most by 3 to 12 % from frame to frame."""
    reach, speed = 0.3, rng.uniform(0.03, 0.12)
    phase = rng.uniform(0, 6)
    return _filmed(
        clip,
        lambda t: (0.5, 0.5, SEEN * np.exp(reach * np.sin(speed / reach * t + phase))),
    )


def _shake(clip: Clip, rng: np.random.Generator) -> tuple[Clip, None]:
    """Shake by hand: up to 4 % of the frame's sides and 3 degrees."""
    reach = rng.uniform(0.01, 0.04)
    rates, phases = rng.uniform(1, 2.5, 3), rng.uniform(0, 6, 3)

    def look(t: float) -> tuple[float, float, float, float]:
        x, y, roll = np.sin(rates * t + phases)
        return 0.5 + reach * x, 0.5 + reach * y, SEEN, 3 * roll

    return _filmed(clip, look)


def _roll(clip: Clip, rng: np.random.Generator) -> tuple[Clip, None]:
    """Roll, at most by 2 to 5 degrees from frame to frame."""
    reach, speed = 25.0, rng.uniform(2, 5)
    return _filmed(
        clip, lambda t: (0.5, 0.5, SEEN, reach * np.sin(speed / reach * t))
    )


def _brightened(clip: Clip, gains: np.ndarray, offsets: np.ndarray) -> Clip:
    return [
        np.clip(pixels * gain + offset, 0, 255).astype(np.uint8)
        for pixels, gain, offset in zip(clip, gains, offsets, strict=True)
    ]


def _flash(clip: Clip, rng: np.random.Generator) -> tuple[Clip, None]:
    """Flash three times for a frame or two, up to a white frame."""
    gains, offsets = np.ones(len(clip)), np.zeros(len(clip))
    for start in rng.choice(range(4, len(clip) - 4, 4), 3, replace=False):
        flash = slice(start, start + rng.integers(1, 3))
        gains[flash], offsets[flash] = rng.uniform(1.3, 3), rng.choice([20, 60, 250])
    return _brightened(clip, gains, offsets), None


def _exposure(clip: Clip, rng: np.random.Generator) -> tuple[Clip, None]:
    """Let the exposure flicker by up to a factor of 1.5, and swing by up to 2."""
    t = np.arange(len(clip))
    flicker = rng.uniform(0.1, 0.4) * np.sin(1.9 * t)
    swing = rng.uniform(0.2, 0.7) * np.sin(0.3 * t + rng.uniform(0, 6))
    return _brightened(clip, np.exp(flicker + swing), np.zeros(len(clip))), None


def _lights(clip: Clip, rng: np.random.Generator) -> tuple[Clip, None]:
    """Switch the light off, on and off."""
    off = rng.uniform(0.15, 0.5)
    gains = np.where(np.arange(len(clip)) // 10 % 2, off, 1.0)
    return _brightened(clip, gains, np.zeros(len(clip))), None


def _dropped(clip: Clip, rng: np.random.Generator) -> tuple[Clip, np.ndarray]:
    """Drop most frames: every fifth is left, and a pause of half the clip."""
    left = [*range(0, len(clip) // 2 - 2, 5), *range(len(clip) - 8, len(clip))]
    return [clip[index] for index in left], INTERVAL_MS * np.array(left)


def _passer_by(clip: Clip, rng: np.random.Generator) -> tuple[Clip, None]:
    """Let something pass in front that hides a quarter to two fifths of the frame."""
    width, height = SIZE_WH
    wide = int(width * rng.uniform(0.25, 0.4))
    speed = rng.uniform(0.04, 0.08) * width
    colour = rng.integers(30, 220, 3).tolist()
    passed = []
    for index, pixels in enumerate(clip):
        left, pixels = int(speed * (index - 5) - wide), pixels.copy()
        corners = (left, height // 6), (left + wide, height)
        passed.append(cv2.rectangle(pixels, *corners, colour, cv2.FILLED))
    return passed, None


DISTURBANCES = {
    "pan": _pan,
    "zoom": _zoom,
    "shake": _shake,
    "roll": _roll,
    "flashes": _flash,
    "exposure": _exposure,
    "lights": _lights,
    "dropped frames": _dropped,
    "passer-by": _passer_by,
    "undisturbed": lambda clip, rng: (clip, None),
}


def _time(clips: list[Clip]) -> None:
    """Compare the time of a frame with that of shrinking it for the detector."""
    finder, times = SceneCuts(), []
    for clip in clips[::8]:
        for index, pixels in enumerate(clip):
            pixels = cv2.resize(pixels, TIMED_WH)
            start = time.perf_counter()
            finder.is_cut(Frame(index, INTERVAL_MS * index, pixels))
            middle = time.perf_counter()
            cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
            cv2.resize(pixels, (480, 360), interpolation=cv2.INTER_AREA)
            times.append((middle - start, time.perf_counter() - middle))
    ours, theirs = (1000 * statistics.median(column) for column in zip(*times))
    print(
        f"{TIMED_WH[0]} x {TIMED_WH[1]} pixels take {ours:.2f} ms; shrinking them to "
        f"480 x 360 and making them gray {theirs:.2f} ms: {ours / theirs:.2f} times."
    )


if __name__ == "__main__":
    main()
