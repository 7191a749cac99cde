"""The live view's speed on films: detectors, looking less often, and the whole way.

    python benchmarks/live.py --film FILM... --bundle DIR

Ways that are compared take turns on the same frames in one process, and which comes
first changes from frame to frame; ratios are of medians. Every model has one thread,
OpenCV too.
"""

import argparse
import os
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

import fer_tf
from fer_tf.config import LiveConfig
from fer_tf.live import camera
from fer_tf.live import loop
from fer_tf.live import overlay
from fer_tf.live import yunet
from fer_tf.live import yunet_model
from fer_tf.live.detection import Detection
from fer_tf.live.frames import Frame
from fer_tf.live.recogniser import Recogniser
from fer_tf.live.tracker import iou
from fer_tf.live.view import View

EVERY = (1, 2, 3)
# So wide are frames whose faces are too small for one look.
SMALL_PX = 80
SETTINGS = {"side_px": 640, "score": 0.65}
SAME_FACE_IOU = 0.5
HEAD = "| film | size | frames |"


def main() -> None:
    """Print the tables."""
    options = _options()
    cv2.setNumThreads(1)
    recogniser = fer_tf.load(options.bundle)
    films = {path.name: _read(path, options.frames) for path in options.film}
    print(f"{os.cpu_count()} CPU cores, OpenCV {cv2.__version__}, one thread each\n")
    _compare_detectors(films)
    _compare_looks(films)
    _compare_looking_less(films, recogniser)
    _time_the_whole_way(options, recogniser)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", type=Path, nargs="+", required=True)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--frames", type=int, default=300, help="of each film")
    return parser.parse_args()


def _read(path: Path, most: int) -> list[Frame]:
    source = camera.open_source(str(path))
    frames = [frame for frame, _ in zip(source, range(most))]
    source.close()
    return frames


def _size(frames: Sequence[Frame]) -> str:
    height, width = frames[0].pixels_bgr.shape[:2]
    return f"{width} x {height}"


def _timed(call: Callable, *arguments: object) -> tuple[float, object]:
    start = time.perf_counter()
    answer = call(*arguments)
    return 1000 * (time.perf_counter() - start), answer


def _compare_detectors(films: dict[str, list[Frame]]) -> None:
    print("The detector, onnxruntime against `cv2.FaceDetectorYN`:\n")
    print(f"{HEAD} faces | onnxruntime, ms | OpenCV, ms | ratio | boxes differ by |")
    print("|---|---|---|---|---|---|---|---|")
    model = yunet_model.find()
    ways = (
        yunet.OnnxYuNet(model, threads=1, **SETTINGS),
        yunet.OpenCvYuNet(model, **SETTINGS),
    )
    for name, frames in films.items():
        for way in ways:
            way(frames[0].pixels_bgr)
        times = np.zeros((len(frames), 2))
        apart, faces = 0.0, 0
        for number, frame in enumerate(frames):
            found: list[list[Detection]] = [[], []]
            for place in (0, 1) if number % 2 else (1, 0):
                times[number, place], found[place] = _timed(
                    ways[place], frame.pixels_bgr
                )
            apart = max(apart, _apart_px(*found))
            faces += len(found[0])
        ours, theirs = np.median(times, axis=0)
        print(f"| {name} | {_size(frames)} | {len(frames)} | {faces} ", end="")
        print(f"| {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} ", end="")
        print(f"| {apart:.2f} px at most |")


def _apart_px(first: Sequence[Detection], second: Sequence[Detection]) -> float:
    """Return by how much two answers' boxes differ; infinity if their number does."""
    if len(first) != len(second):
        return float("inf")
    boxes = [
        sorted(found.box_xywh_px.tolist() for found in faces)
        for faces in (first, second)
    ]
    return float(np.abs(np.subtract(*boxes)).max(initial=0.0))


class _OneLook(yunet.OnnxYuNet):
    def __call__(self, frame_bgr: np.ndarray) -> list[Detection]:
        side_px = min(self._side_px, max(frame_bgr.shape[:2]))
        return yunet.as_detections(self._look(frame_bgr, side_px))


def _compare_looks(films: dict[str, list[Frame]]) -> None:
    """Ask one look and two for small faces, and where faces are painted over."""
    print("\nA second look, twice as large, where the first finds nothing:\n")
    print("| film | frames | | found by one look | by two | one, ms | two, ms |")
    print("|---|---|---|---|---|---|---|")
    ways = [
        kind(yunet_model.find(), threads=1, **SETTINGS)
        for kind in (_OneLook, yunet.OnnxYuNet)
    ]
    changes = {f"{SMALL_PX} px wide": _small, "faces painted over": _painted_over}
    for name, frames in films.items():
        for change, changed in changes.items():
            times, found = np.zeros((len(frames), 2)), [0, 0]
            for number, frame in enumerate(frames):
                pixels = changed(frame.pixels_bgr, ways[0])
                for place in (0, 1) if number % 2 else (1, 0):
                    times[number, place], faces = _timed(ways[place], pixels)
                    found[place] += len(faces)
            one, two = np.median(times, axis=0)
            print(f"| {name} | {len(frames)} | {change} ", end="")
            print(f"| {found[0]} | {found[1]} | {one:.1f} | {two:.1f} |")


def _small(pixels: np.ndarray, _: object) -> np.ndarray:
    return yunet.resize(pixels, SMALL_PX)[0]


def _painted_over(pixels: np.ndarray, detector: yunet.YuNet) -> np.ndarray:
    """Fill each face, and half as much around it, with the frame's mean."""
    painted = pixels.copy()
    for face in detector(pixels):
        x, y, width, height = face.box_xywh_px
        box = (x - width / 2, y - height / 2, 2 * width, 2 * height)
        colour = pixels.mean(axis=(0, 1)).tolist()
        cv2.rectangle(painted, tuple(map(int, box)), colour, cv2.FILLED)
    return painted


def _compare_looking_less(
    films: dict[str, list[Frame]], recogniser: Recogniser
) -> None:
    print("\n`live.detect_every`: every n-th frame, and boxes carried in between.\n")
    print(f"{HEAD} every | find, ms a frame | ratio | faces kept ", end="")
    print("| box overlap | answers apart | same label |\n" + "|---" * 10 + "|")
    for name, frames in films.items():
        readers = [
            loop.Reader(recogniser, LiveConfig(detect_every=every)) for every in EVERY
        ]
        views: list[list[View]] = [[] for _ in EVERY]
        for number, frame in enumerate(frames):
            for place in np.roll(range(len(EVERY)), number):
                views[place].append(readers[place](frame))
        means = [
            np.mean([view.stages_ms["detect"] for view in each]) for each in views
        ]
        for every, each, mean in zip(EVERY, views, means, strict=True):
            kept, overlap, apart, agreed = _agreement(views[0], each)
            print(f"| {name} | {_size(frames)} | {len(frames)} | {every} | ", end="")
            print(f"{mean:.1f} | {mean / means[0]:.2f} | {kept:.1%} | ", end="")
            print(f"{overlap:.3f} | {apart:.3f} | {agreed:.1%} |")


def _agreement(
    wanted: Sequence[View], received: Sequence[View]
) -> tuple[float, float, float, float]:
    """Return how well faces that were carried agree with those that were detected.

    Returns:
        The share of faces that are there again; of these the mean overlap (IoU), the
        mean distance of the smoothed answers (total variation, in 0..1), and the share
        with the same label.
    """
    overlaps, apart, same, faces = [], [], [], 0
    for one, other in zip(wanted, received, strict=True):
        faces += len(one.faces)
        for face in one.faces:
            box = face.face.box_xywh_px
            near = [(iou(box, two.face.box_xywh_px), two) for two in other.faces]
            overlap, again = max(near, key=lambda pair: pair[0], default=(0.0, None))
            if overlap >= SAME_FACE_IOU:
                overlaps.append(overlap)
                answers = face.smoothed.probabilities, again.smoothed.probabilities
                apart.append(np.abs(np.subtract(*answers)).sum() / 2)
                same.append(face.label == again.label)
    means = [float(np.mean(values)) for values in (overlaps, apart, same)]
    return len(same) / faces, *means


def _time_the_whole_way(options: argparse.Namespace, recogniser: Recogniser) -> None:
    """Time what the live view does with a film, decoding and drawing included."""
    print("\nThe whole way, decoding in a thread; means in ms a frame:\n")
    print(f"{HEAD} find | classify | track, smooth | draw | frames/s ", end="")
    print("| drawing left out |\n|---|---|---|---|---|---|---|---|---|")
    for path in options.film:
        source = camera.open_source(str(path))
        reader = loop.Reader(recogniser, LiveConfig())
        draw_ms: list[float] = []
        views: list[View] = []

        def show(view: View) -> bool:
            draw_ms.append(_timed(overlay.draw, view)[0])
            views.append(view)
            return len(views) < options.frames

        took_ms, _ = _timed(loop.run, source, reader, (), (show,))
        source.close()
        stages = {
            name: np.mean([view.stages_ms[name] for view in views])
            for name in ("detect", "classify", "total")
        }
        rest = stages["total"] - stages["detect"] - stages["classify"]
        drawing = float(np.sum(draw_ms))
        count = len(views)
        print(f"| {path.name} | {_size([views[0].frame])} | {count} ", end="")
        print(f"| {stages['detect']:.1f} | {stages['classify']:.1f} ", end="")
        print(f"| {rest:.1f} | {drawing / count:.1f} ", end="")
        print(f"| {1000 * count / took_ms:.0f} ", end="")
        print(f"| {1000 * count / (took_ms - drawing):.0f} |")


if __name__ == "__main__":
    main()
