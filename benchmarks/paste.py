"""Is a face that the detector finds read as the same face cropped? Two user commands.

    python benchmarks/paste.py runs/real --work DIR

Test faces of one corpus are pasted into frames of 640x480, at any place and in sizes of
96 to 240 px, on a plain grey of their own mean. `fer-tf predict` finds and reads them
there; `fer-tf predict --cropped` reads the pictures themselves. Both get the same
bundle. The difference is what detection and the fitted framing cost: a point of
accuracy is the aim. Faces that are not found are in neither column.
"""

import argparse
import csv
import itertools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fer_tf import config as recipes
from fer_tf import metrics
from fer_tf.data import pipeline
from fer_tf.experiment import Experiment
from fer_tf.labels import CLASSES
from fer_tf.preprocess import as_rgb
from fer_tf.preprocess import shown

FRAME_PX = (640, 480)
SIZES_PX = (96, 144, 192, 240)
HEAD = (
    "size, px",
    "faces",
    "found",
    "accuracy, cropped",
    "in the frame",
    "difference (95 % interval)",
    "same label",
)


@dataclass(frozen=True)
class Pasted:
    """A test face: its record, its class, and its square in the frame, in pixels."""

    name: str
    label: int
    group: str
    square_xywh_px: tuple[int, int, int, int]


def main() -> None:
    """Print the table: all faces, and by size."""
    options = _options()
    faces = list(_paste(options))
    for folder in ("frames", "cropped"):
        _predict(folder, options)
    read = _read(options.work / "cropped.csv")
    cropped = {name: _label(row) for name, (row,) in read.items()}
    found, false = _found(faces, _read(options.work / "frames.csv"))
    print(f"{len(faces)} test faces of {options.source}; {false} boxes are no face\n")
    print(f"| {' | '.join(HEAD)} |")
    print(f"|{'---|' * len(HEAD)}")
    _print("all", faces, found, cropped, options)
    for least, most in itertools.pairwise(SIZES_PX):
        some = [face for face in faces if least <= face.square_xywh_px[2] < most]
        _print(f"{least} to {most - 1}", some, found, cropped, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--bundle", type=Path, help="[default: the experiment's]")
    parser.add_argument("--source", default="ferplus")
    parser.add_argument("--faces", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    return parser.parse_args()


def _paste(options: argparse.Namespace) -> Iterator[Pasted]:
    """Write each face as a picture and in a frame."""
    experiment = Experiment(options.experiment)
    config = recipes.load(experiment.config)
    test = pipeline.load(config, experiment.manifest)["test"]
    row_of = {key: row for row, key in enumerate(test.keys)}
    for folder in ("frames", "cropped"):
        (options.work / folder).mkdir(parents=True)
    rng = np.random.default_rng(options.seed)
    records = pipeline.kept_records(config, experiment.manifest, ["test"])
    wanted = (
        (record, pixels)
        for record, pixels in records
        if test.sources[row_of[record.key]] == options.source
    )
    for record, pixels in itertools.islice(wanted, options.faces):
        picture = as_rgb(shown(pixels, record.square_xywh_px))
        side = int(rng.integers(SIZES_PX[0], SIZES_PX[-1]))
        x, y = (int(rng.integers(0, limit - side)) for limit in FRAME_PX)
        frame = np.full((*FRAME_PX[::-1], 3), picture.mean(), np.uint8)
        frame[y : y + side, x : x + side] = cv2.resize(picture, (side, side))
        name = f"{record.key.replace('/', '_')}.png"
        for folder, pixels in (("frames", frame), ("cropped", picture)):
            path = str(options.work / folder / name)
            cv2.imwrite(path, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        row = row_of[record.key]
        yield Pasted(name, int(test.labels[row]), test.groups[row], (x, y, side, side))


def _predict(folder: str, options: argparse.Namespace) -> None:
    """Run the user's own command; it logs each picture without a face."""
    command = [sys.executable, "-m", "fer_tf.cli", "predict", options.work / folder]
    command += ["--bundle", options.bundle or Experiment(options.experiment).bundle]
    command += ["--out", options.work / f"{folder}.csv"]
    command += ["--cropped"] if folder == "cropped" else []
    subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL)


def _read(path: Path) -> dict[str, list[dict[str, str]]]:
    """Return the rows of a CSV by the name of their picture."""
    rows: dict[str, list[dict[str, str]]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows.setdefault(Path(row["path"]).name, []).append(row)
    return rows


def _label(row: dict[str, str]) -> int:
    return CLASSES.index(row["label"].capitalize())


def _found(
    faces: list[Pasted], rows: dict[str, list[dict[str, str]]]
) -> tuple[dict[str, int], int]:
    """Return what the found faces are read as, by name, and how many boxes are none.

    A box is the face's if its centre is in the middle half of the pasted square.
    """
    found, others = {}, 0
    for face in faces:
        x, y, side, _ = face.square_xywh_px
        for row in rows.get(face.name, ()):
            left, top, width, height = (float(row[name]) for name in "xywh")
            centre = np.array([left + width / 2 - x, top + height / 2 - y]) / side
            if (np.abs(centre - 0.5) < 0.25).all() and face.name not in found:
                found[face.name] = _label(row)
            else:
                others += 1
    return found, others


def _print(
    title: str,
    faces: list[Pasted],
    found: dict[str, int],
    cropped: dict[str, int],
    options: argparse.Namespace,
) -> None:
    read = [face for face in faces if face.name in found]
    labels = np.array([face.label for face in read])
    whole = np.array([cropped[face.name] for face in read]) == labels
    pasted = np.array([found[face.name] for face in read]) == labels
    low, high = metrics.bootstrap_interval(
        lambda ours, theirs: ours.mean() - theirs.mean(),
        pasted,
        whole,
        groups=np.array([face.group for face in read]),
        seed=options.seed,
    )
    change = pasted.mean() - whole.mean()
    same = np.mean([found[face.name] == cropped[face.name] for face in read])
    print(f"| {title} | {len(faces)} | {len(read) / len(faces):.1%} ", end="")
    print(f"| {whole.mean():.3f} | {pasted.mean():.3f} ", end="")
    print(f"| {change:+.3f} ({low:+.3f} to {high:+.3f}) | {same:.1%} |")


if __name__ == "__main__":
    main()
