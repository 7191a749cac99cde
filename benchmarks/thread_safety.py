"""Threads that share a recogniser: how many predictions are not their own image's.

    python benchmarks/thread_safety.py --calls 10000 --threads 8

Images are synthetic, of several sizes and with none to three faces. Each part is first
called by one thread, which gives the expected results. Exit code 1 if a result differs.
"""

import argparse
import importlib.util
import itertools
import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import fer_tf
from fer_tf.live import yunet
from fer_tf.live import yunet_model
from fer_tf.sources import drawn_film

SIZES_WH = ((160, 120), (224, 168), (320, 240))
SETTINGS = {"side_px": 640, "score": 0.65}


def main() -> None:
    """Print the table."""
    options = _options()
    images = list(_images())
    print("| shared | threads | calls | wrong | exceptions |")
    print("|---|---|---|---|---|")
    failed = 0
    for name, call in _parts(options.bundle):
        wrong, raised = _count_failures(call, images, options.calls, options.threads)
        failed += wrong + raised
        row = (name, options.threads, f"{options.calls:,}", wrong, raised)
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    sys.exit(failed > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", help="an exported bundle; the shipped one if none")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=8)
    return parser.parse_args()


def _images() -> Iterator[np.ndarray]:
    for size, faces, seed in itertools.product(SIZES_WH, (1, 2, 3), range(3)):
        yield next(drawn_film.film(seed, 0.04, size_wh_px=size, faces=faces)).pixels_bgr
    yield np.full((120, 160, 3), 127, np.uint8)


def _parts(bundle: str | None) -> Iterator[tuple[str, Callable]]:
    """Yield what threads share: a name, and a function of an image to arrays."""
    model = yunet_model.find()
    detectors: dict[str, yunet.YuNet] = {"OpenCV": yunet.OpenCvYuNet(model, **SETTINGS)}
    if importlib.util.find_spec("onnxruntime"):
        onnx = yunet.OnnxYuNet(model, threads=1, **SETTINGS)
        detectors["onnxruntime"] = onnx
    for name, detector in detectors.items():
        recogniser = fer_tf.load(bundle, detector=detector)
        yield f"YuNet, {name}", lambda image, detect=detector: [
            face.box_xywh_px for face in detect(image)
        ]
        yield f"recogniser, {name}", lambda image, recognise=recogniser: [
            face.probabilities for face in recognise(image)
        ]
    size = recogniser.bundle.face.size
    noise = np.random.default_rng(0).integers(0, 256, (9, size, size, 3), np.uint8)

    def classify(image: np.ndarray) -> Sequence[np.ndarray]:
        first = int(image[:, :, 1].mean()) % 8
        return recogniser.classifier.classify(noise[: first + 1] ^ image[0, 0, 0])

    yield "classifier", classify


def _count_failures(
    call: Callable, images: Sequence[np.ndarray], calls: int, threads: int
) -> tuple[int, int]:
    """Return how many results differ from a single thread's, and how many raise."""
    expected = [call(image) for image in images]
    order = np.random.default_rng(0).integers(0, len(images), calls)

    def check(index: int) -> tuple[bool, bool]:
        try:
            received = call(images[index])
        except Exception:
            return False, True
        return not _same(received, expected[index]), False

    with ThreadPoolExecutor(threads) as pool:
        wrong, raised = np.array(list(pool.map(check, order))).sum(axis=0)
    return int(wrong), int(raised)


def _same(received: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> bool:
    return len(received) == len(expected) and all(
        np.array_equal(one, other)
        for one, other in zip(received, expected, strict=True)
    )


if __name__ == "__main__":
    main()
