"""Our live view against PyPI's `fer`: from a frame in memory to its label.

    python3.11 -m venv fer-env
    fer-env/bin/pip install fer==25.10.3 "setuptools<81"
    python benchmarks/live_against_fer.py --film FILM... --bundle DIR \
        --fer-python fer-env/bin/python

`fer` cannot live beside us: it wants older versions of NumPy and OpenCV, and
`pkg_resources`, which setuptools has no longer. So each way is a process of its own.
All have one thread and hold the same frames of 640x480; they take turns, block of
frames by block, and which comes first changes. `fer` is as it comes, with Haar's
cascade and its quantised model, and smooths nothing.

Times are medians of the blocks' own medians, and so is the ratio.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

# `fer_tf` is imported where it is used: the process that runs `fer` has none.

WIDTH, HEIGHT = 640, 480
# How many times as fast as `fer`, by the longer side of what our detector sees.
AIMS = {640: 8, 320: 20}
# What is neither the detector nor the classifier may take so much of the whole.
MOST_REST = 0.15
FER = "fer"
ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "TF_NUM_INTRAOP_THREADS",
    )
}

# What each frame of a block took, in ms by stage, and how many faces it has.
Rows = list[dict[str, float]]


def main() -> None:
    """Print the tables."""
    options = _options()
    if options.serve:
        _serve(options)
        return
    print(f"{os.cpu_count()} CPU cores, one thread each, {WIDTH} x {HEIGHT}; ", end="")
    print(f"medians of {options.rounds} rounds of {options.block} frames in turns\n")
    rounds = {film.name: _rounds(film, options) for film in options.film}
    _print_ratios(rounds)
    _print_stages(rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", type=Path, nargs="+", required=True)
    parser.add_argument("--bundle", required=True)
    parser.add_argument(
        "--fer-python", required=True, help="an interpreter that has `fer`"
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--block", type=int, default=20, help="frames of a round")
    # How this script starts itself: the way, and the frames' file.
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


# The measuring process.


def _rounds(film: Path, options: argparse.Namespace) -> list[dict[str, Rows]]:
    """Return what each way answered, block after block; the first warms up."""
    ways = [FER, *map(str, AIMS)]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        frames = folder / "frames.npz"
        count = _keep(film, (options.rounds + 1) * options.block, frames)
        children = {
            way: stack.enter_context(_child(way, frames, options)) for way in ways
        }
        answered = []
        for number, first in enumerate(range(0, count, options.block)):
            block = (first, min(first + options.block, count))
            turns = [ways[place] for place in np.roll(range(len(ways)), number)]
            answered.append({way: children[way](*block) for way in turns})
    return answered[1:]


def _keep(film: Path, most: int, to: Path) -> int:
    """Write a film's first frames, 4:3 of their middle; return how many they are."""
    from fer_tf.live import camera

    source = camera.open_source(str(film))
    frames = [frame for frame, _ in zip(source, range(most))]
    source.close()
    np.savez(
        to,
        pixels_bgr=np.stack([_resized(frame.pixels_bgr) for frame in frames]),
        times_ms=[frame.time_ms for frame in frames],
    )
    return len(frames)


def _resized(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of a picture, uint8 [480, 640, 3]."""
    height, width = pixels.shape[:2]
    scale = min(height / HEIGHT, width / WIDTH)
    top = round((height - scale * HEIGHT) / 2)
    left = round((width - scale * WIDTH) / 2)
    middle = pixels[top : height - top, left : width - left]
    return cv2.resize(middle, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


@contextlib.contextmanager
def _child(
    way: str, frames: Path, options: argparse.Namespace
) -> Iterator[Callable[[int, int], Rows]]:
    """Start a way; yield what asks it for the frames from one to before another."""
    python = options.fer_python if way == FER else sys.executable
    passed = ["--film", *map(str, options.film), "--bundle", options.bundle]
    command = [python, __file__, *passed, "--fer-python", python]
    told = frames.with_name(f"{way}.txt")
    with told.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--serve", way, str(frames)],
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def ask(first: int, end: int) -> Rows:
        with contextlib.suppress(BrokenPipeError):
            print(first, end, file=process.stdin, flush=True)
        answer = process.stdout.readline()
        if not answer:
            raise SystemExit(f"{way} ended:\n{told.read_text()}")
        return json.loads(answer)

    try:
        yield ask
    finally:
        process.kill()
        process.communicate()


# The processes that are measured.


def _serve(options: argparse.Namespace) -> None:
    """Answer each line "first end" with those frames' rows as JSON."""
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    cv2.setNumThreads(1)
    way, path = options.serve
    with np.load(path) as kept:
        pixels, times_ms = kept["pixels_bgr"], kept["times_ms"].tolist()
    read = _fer() if way == FER else _ours(options.bundle, int(way))
    for line in sys.stdin:
        first, end = map(int, line.split())
        block = range(first, end)
        rows = [read(index, times_ms[index], pixels[index]) for index in block]
        print(json.dumps(rows), file=answers, flush=True)


def _fer() -> Callable[[int, float, np.ndarray], dict[str, float]]:
    import torch
    from fer.fer import FER as Detector

    torch.set_num_threads(1)
    detector = Detector()

    def read(index: int, time_ms: float, pixels: np.ndarray) -> dict[str, float]:
        start = time.perf_counter()
        faces = detector.detect_emotions(pixels)
        return {"total": 1000 * (time.perf_counter() - start), "faces": len(faces)}

    return read


def _ours(
    bundle: str, side_px: int
) -> Callable[[int, float, np.ndarray], dict[str, float]]:
    from fer_tf.config import LiveConfig
    from fer_tf.live import loop
    from fer_tf.live import recogniser
    from fer_tf.live.frames import Frame

    loaded = recogniser.load(bundle, detect_side_px=side_px)
    classifier = loaded.classifier = _Timed(loaded.classifier)
    reader = loop.Reader(loaded, LiveConfig(detect_side_px=side_px))

    def read(index: int, time_ms: float, pixels: np.ndarray) -> dict[str, float]:
        classifier.took_ms = 0.0
        start = time.perf_counter()
        view = reader(Frame(index, time_ms, pixels))
        total = 1000 * (time.perf_counter() - start)
        detect, classify = view.stages_ms["detect"], classifier.took_ms
        return {
            "detect": detect,
            "classify": classify,
            "rest": total - detect - classify,
            "total": total,
            "faces": len(view.faces),
        }

    return read


class _Timed:
    """A classifier that keeps the time; preparing its input is its own work."""

    def __init__(self, classifier: Callable) -> None:
        self.bundle = classifier.bundle
        self.took_ms = 0.0
        self._classifier = classifier

    def __call__(self, crops: list[np.ndarray]) -> np.ndarray:
        start = time.perf_counter()
        answers = self._classifier(crops)
        self.took_ms += 1000 * (time.perf_counter() - start)
        return answers


# The tables.


def _print_ratios(films: dict[str, list[dict[str, Rows]]]) -> None:
    print("| film | way | ms a frame | times as fast | its quartiles | wanted ", end="")
    print("| frames with a face |\n|---|---|---|---|---|---|---|")
    for film, rounds in films.items():
        theirs = _medians(rounds, FER)
        print(f"| {film} | {FER} | {np.median(theirs):.1f} ", end="")
        print(f"| 1.0 | | | {_found(rounds, FER):.1%} |")
        for side_px, aim in AIMS.items():
            ours = _medians(rounds, str(side_px))
            low, ratio, high = np.percentile(theirs / ours, (25, 50, 75))
            print(f"| {film} | ours, detection at {side_px} px ", end="")
            print(f"| {np.median(ours):.1f} | {ratio:.1f} ", end="")
            print(f"| {low:.1f} to {high:.1f} ", end="")
            print(f"| at least {aim}{'' if ratio >= aim else ': missed'} ", end="")
            print(f"| {_found(rounds, str(side_px)):.1%} |")


def _medians(rounds: list[dict[str, Rows]], way: str) -> np.ndarray:
    return np.array([np.median([row["total"] for row in each[way]]) for each in rounds])


def _found(rounds: list[dict[str, Rows]], way: str) -> float:
    return float(np.mean([row["faces"] > 0 for each in rounds for row in each[way]]))


def _print_stages(films: dict[str, list[dict[str, Rows]]]) -> None:
    """Print where our time goes; a share is the median of the frames' own."""
    from fer_tf.runtime import latency

    print("\n| film | detection at | stage | median, ms | 95th percentile, ms ", end="")
    print("| of the whole | wanted |\n|---|---|---|---|---|---|---|")
    for film, rounds in films.items():
        for side_px in AIMS:
            rows = [row for each in rounds for row in each[str(side_px)]]
            for stage in ("detect", "classify", "rest", "total"):
                took = latency.of([row[stage] for row in rows])
                share = float(np.median([row[stage] / row["total"] for row in rows]))
                missed = "" if share <= MOST_REST else ": missed"
                wanted = f"at most {MOST_REST:.0%}{missed}" if stage == "rest" else ""
                print(f"| {film} | {side_px} px | {stage} ", end="")
                print(f"| {took.median_ms:.2f} | {took.p95_ms:.2f} ", end="")
                print(f"| {share:.1%} | {wanted} |")


if __name__ == "__main__":
    main()
