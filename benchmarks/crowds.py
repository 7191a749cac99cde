"""Small faces in a crowd: how many are found in an image, and at what cost.

    python benchmarks/crowds.py --faces FOLDER

`FOLDER` holds images of one face each. Crowds of 9 x 6 of them, 64 pixels each, stand
in cells of several sizes, so that the detector sees the image shrunk by more and more.
The passes for a video frame and for an image take turns in one process.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fer_tf.live import yunet
from fer_tf.live import yunet_model
from fer_tf.live.detection import Detection
from fer_tf.live.pictures import pictures_in
from fer_tf.live.pictures import read_image

COLUMNS, ROWS = 9, 6
FACE_PX = 64
CELLS_PX = (64, 107, 142, 178, 213, 240, 284, 400)
GROUND = 127


def main() -> None:
    """Print the table."""
    options = _options()
    paths = pictures_in(options.faces)
    detector = yunet.load(yunet_model.find())
    print("| image | found as a frame of a video | as an image | other boxes ", end="")
    print("| fewest in an image | time, times a video frame's |")
    print("|---|---|---|---|---|---|")
    for cell_px in CELLS_PX:
        found, other, times = [], 0, []
        for seed in range(options.crowds):
            image, middles = _crowd(paths, seed, cell_px)
            received, elapsed = [], []
            for detect in (detector, detector.detect_image):
                start = time.perf_counter()
                received.append(detect(image))
                elapsed.append(time.perf_counter() - start)
            found.append([_count(faces, middles) for faces in received])
            other += len(received[1]) - found[-1][1]
            times.append(elapsed)
        of = options.crowds * len(middles)
        frame, whole = np.sum(found, axis=0)
        ratio = np.median(np.divide(*np.transpose(times)[::-1]))
        size = f"{image.shape[1]} x {image.shape[0]}"
        row = (size, f"{frame} of {of}", f"{whole} of {of}", other)
        print(f"| {' | '.join(map(str, row))} ", end="")
        print(f"| {np.min(found, axis=0)[1]} of {len(middles)} | {ratio:.1f} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--crowds", type=int, default=10, help="for each size")
    return parser.parse_args()


def _crowd(
    paths: Sequence[Path], seed: int, cell_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image of a crowd, and the middle of each face, [faces, 2]."""
    count = COLUMNS * ROWS
    chosen = np.random.default_rng(seed).choice(len(paths), count, replace=False)
    image = np.full((ROWS * cell_px, COLUMNS * cell_px, 3), GROUND, np.uint8)
    places = [divmod(n, COLUMNS) for n in range(count)]
    corners = [(cell_px * column, cell_px * row) for row, column in places]
    size = (FACE_PX, FACE_PX)
    for (x, y), index in zip(corners, chosen, strict=True):
        face = read_image(paths[index]).pixels_bgr
        small = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
        image[y:y + FACE_PX, x:x + FACE_PX] = small
    return image, np.array(corners) + FACE_PX / 2


def _count(faces: Sequence[Detection], middles: np.ndarray) -> int:
    """Return how many faces of the crowd are found."""
    boxes = np.array([face.box_xywh_px for face in faces]).reshape(-1, 4)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    apart = np.abs(middles[:, None] - centres).max(axis=2)
    return int((apart.min(axis=1, initial=np.inf) < FACE_PX / 3).sum())


if __name__ == "__main__":
    main()
