"""Write the builders' dummy data: drawn faces in each publisher's layout.

Run it from the checkout with `python tests/tfds_builders/make_dummy_data.py` where a
publisher's layout was misread, or a builder is added.
"""

import csv
import io
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fer_tf import labels
from fer_tf import picture
from fer_tf.sources import affectnet as affectnet_source
from fer_tf.sources import drawn

BUILDERS = Path(__file__).parents[2] / "tfds_builders"
USAGES = ("Training",) * 8 + ("PublicTest",) * 2 + ("PrivateTest",) * 2
SIDE_PX = 32


def face(label: str, seed: int, size: int = SIDE_PX) -> np.ndarray:
    """Return a drawn face that shows `label`, uint8 [size, size, 3]."""
    label = label or "Neutral"
    return drawn.draw(label, np.random.default_rng(seed), size=size).pixels


def fer2013(folder: Path) -> None:
    """Write twelve rows: a face of each class and some more, the sixth row black."""
    rows = []
    for row, usage in enumerate(USAGES):
        code = row % labels.NUM_CLASSES
        rows.append([code, _text(face(labels.CLASSES[code], row, 48), row != 5), usage])
    _csv(folder / "fer2013.csv", ["emotion", "pixels", "Usage"], rows)


def fer2013_folders(folder: Path) -> None:
    """Write a face of each class for training and two for the test, as Kaggle does."""
    for seed, word in enumerate(("angry", "disgust", "fear", "happy", "sad")):
        name = f"train/{word}/Training_{seed}.jpg"
        _jpeg(folder / name, face(labels.NAMES[word], seed))
    for seed, word in enumerate(("surprise", "neutral")):
        name = f"test/{word}/PrivateTest_{seed}.jpg"
        _jpeg(folder / name, face(labels.NAMES[word], seed))


def ferplus(folder: Path) -> None:
    """Write six rows: agreement, a tie, contempt, and one without a face."""
    votes = (
        ("Training", "fer0000000.png", (0, 8, 2, 0, 0, 0, 0, 0, 0, 0)),
        ("Training", "fer0000001.png", (5, 0, 0, 5, 0, 0, 0, 0, 0, 0)),
        ("Training", "fer0000002.png", (1, 0, 0, 0, 0, 0, 0, 8, 1, 0)),
        ("Training", "", (0, 0, 0, 0, 0, 0, 0, 0, 0, 10)),
        ("PublicTest", "fer0000004.png", (0, 0, 9, 0, 0, 0, 0, 0, 1, 0)),
        ("PrivateTest", "fer0000005.png", (0, 0, 0, 0, 7, 3, 0, 0, 0, 0)),
    )
    shown = ("Happy", "Neutral", "Neutral", "Neutral", "Surprise", "Angry")
    header = ["Usage", "Image name", *labels.FERPLUS_COLUMNS]
    rows = [(usage, name, *counts) for usage, name, counts in votes]
    _csv(folder / "fer2013new.csv", header, rows)
    pixels = [
        [labels.INDEX[label], _text(face(label, row, 48), bool(name)), usage]
        for row, (label, (usage, name, _)) in enumerate(zip(shown, votes, strict=True))
    ]
    _csv(folder / "fer2013.csv", ["emotion", "pixels", "Usage"], pixels)


def rafdb(folder: Path, codes: dict[str, str], digits: int) -> None:
    """Write an aligned face for training for each of `codes`, and two for the test."""
    names = [f"train_{number:0{digits}}" for number in range(1, len(codes) + 1)]
    rows = list(zip(names, codes, strict=True))
    rows += [(f"test_{1:0{digits}}", "1"), (f"test_{2:0{digits}}", "3")]
    lines = [f"{name}.jpg {code}" for name, code in rows]
    _lines(folder / "EmoLabel" / "list_patition_label.txt", lines)
    for seed, (name, code) in enumerate(rows):
        path = folder / "Image" / "aligned" / f"{name}_aligned.jpg"
        _jpeg(path, face(codes[code], seed))


def rafml(folder: Path) -> None:
    """Write five aligned faces, two of them for the test."""
    parts = (
        ("0001", (0.1, 0.0, 0.0, 0.9, 0.0, 0.0), 0),
        ("0002", (0.5, 0.5, 0.0, 0.0, 0.0, 0.0), 0),
        ("0003", (0.0, 0.0, 0.2, 0.0, 0.2, 0.6), 0),
        ("0004", (0.0, 0.1, 0.7, 0.0, 0.2, 0.0), 1),
        ("0005", (0.0, 0.0, 0.0, 0.0, 1.0, 0.0), 1),
    )
    rows = [f"{name}.jpg {' '.join(map(str, values))}" for name, values, _ in parts]
    _lines(folder / "EmoLabel" / "distribution.txt", rows)
    rows = [f"{name}.jpg {split}" for name, _, split in parts]
    _lines(folder / "EmoLabel" / "partition_label.txt", rows)
    for seed, (name, values, _) in enumerate(parts):
        label = labels.RAFML_COLUMNS[int(np.argmax(values))]
        path = folder / "Image" / "aligned" / f"{name}_aligned.jpg"
        _jpeg(path, face(label, seed))


def affectnet_sets(folder: Path) -> None:
    """Write cropped faces with annotations, one a number and the others texts."""
    for name, codes in (("train_set", "01347"), ("val_set", "26")):
        for number, code in enumerate(codes):
            path = folder / name / "images" / f"{number}.jpg"
            _jpeg(path, face(labels.AFFECTNET[code], number))
            data = io.BytesIO()
            np.save(data, np.array(int(code) if number == 0 else code))
            path = folder / name / "annotations" / f"{number}_exp.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.getvalue())


def affectnet_lists(folder: Path) -> None:
    """Write photographs with a box each, and one without a face."""
    codes = {"training": ("0", "3", "8", "10"), "validation": ("1", "6")}
    for name, listed in codes.items():
        rows = []
        for number, code in enumerate(listed):
            path = f"{name}/{number}.jpg"
            pixels, (left, top) = photograph(number, [labels.AFFECTNET[code]])
            box = [left, top, SIDE_PX, SIDE_PX] if code != "10" else ["NULL"] * 4
            _jpeg(folder / "Manually_Annotated_Images" / path, pixels)
            rows.append([path, *box, "0;0", code, 0.1, -0.1])
        _csv(folder / f"{name}.csv", affectnet_source.HEADER, rows)


def affectnet_folders(folder: Path) -> None:
    """Write faces in folders of classes, named by their numbers."""
    for split, codes in (("train", "0127"), ("val", "34")):
        for seed, code in enumerate(codes):
            path = folder / split / code / f"{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = face(labels.AFFECTNET[code], seed, 24)
            path.write_bytes(picture.encode_png(pixels))


def expw(folder: Path) -> None:
    """Write two photographs of two faces each."""
    lines = []
    shown = (("Angry", "Happy"), ("Neutral", "Sad"))
    for number, pair in enumerate(shown):
        name = f"friends_{number}.jpg"
        pixels, corner = photograph(number, pair)
        _jpeg(folder / "origin" / name, pixels)
        for index, label in enumerate(pair):
            left, top = corner[0] + index * 2 * SIDE_PX, corner[1]
            box = f"{top} {left} {left + SIDE_PX} {top + SIDE_PX}"
            code = labels.INDEX[label]
            lines.append(f"{name} {index} {box} {60 + number}.5 {code}")
    _lines(folder / "label.lst", lines)


def pictures_folders(folder: Path) -> None:
    """Write faces in folders of classes in folders of splits, contempt among them."""
    words = {"train": ("happy", "Sad", "contempt"), "val": ["anger"], "test": ["fear"]}
    for split, named in words.items():
        for seed, word in enumerate(named):
            label = labels.NAMES.get(word.lower(), "")
            _jpeg(folder / split / word / f"{seed}.jpg", face(label, seed))


def pictures_list(folder: Path) -> None:
    """Write faces with a list that gives splits and subjects."""
    rows = (
        ("a/1.jpg", "happiness", "", "ann"),
        ("a/2.jpg", "surprise", "train", "ann"),
        ("b/1.jpg", "contempt", "test", "bob"),
        ("b/2.jpg", "neutral", "test", "bob"),
    )
    _csv(folder / "labels.csv", ["image", "emotion", "split", "subject"], rows)
    for seed, (name, word, *_) in enumerate(rows):
        _jpeg(folder / "images" / name, face(labels.NAMES.get(word, ""), seed))


def photograph(seed: int, shown: Sequence[str]) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a photograph of faces side by side, and the first one's corner."""
    rng = np.random.default_rng(seed)
    canvas = np.full((72, 128, 3), rng.integers(60, 200, 3), np.uint8)
    left, top = (int(value) for value in rng.integers(8, 24, 2))
    for index, label in enumerate(shown):
        x = left + index * 2 * SIDE_PX
        canvas[top:top + SIDE_PX, x:x + SIDE_PX] = face(label, seed + index)
    return canvas, (left, top)


def _text(pixels: np.ndarray, visible: bool) -> str:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) * visible
    return " ".join(map(str, grey.ravel()))


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file, lineterminator="\n")
        written.writerow(header)
        written.writerows(rows)


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def _jpeg(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.encode_jpeg(pixels))


def _dummy(name: str, form: str = "") -> Path:
    return BUILDERS / name / "dummy_data" / form


if __name__ == "__main__":
    affectnet_folders(_dummy("affectnet", "folders"))
    affectnet_lists(_dummy("affectnet", "lists"))
    affectnet_sets(_dummy("affectnet", "sets"))
    expw(_dummy("expw"))
    fer2013(_dummy("fer2013"))
    fer2013_folders(_dummy("fer2013", "folders"))
    ferplus(_dummy("ferplus"))
    pictures_folders(_dummy("pictures", "folders"))
    pictures_list(_dummy("pictures", "list"))
    rafdb(_dummy("rafdb"), labels.RAFDB, 5)
    rafdb(_dummy("rafdb_compound"), labels.RAFDB_COMPOUND, 4)
    rafml(_dummy("rafml"))
