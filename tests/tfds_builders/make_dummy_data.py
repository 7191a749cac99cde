"""Write the builders' dummy data: drawn faces in each publisher's layout.

Run it from the checkout with `python tests/tfds_builders/make_dummy_data.py` where a
publisher's layout was misread, or a builder is added.
"""

import csv
from pathlib import Path

import cv2
import numpy as np

from fer_tf import labels
from fer_tf.sources import drawn

BUILDERS = Path(__file__).parents[2] / "tfds_builders"
USAGES = ("Training",) * 8 + ("PublicTest",) * 2 + ("PrivateTest",) * 2


def fer2013(path: Path) -> None:
    """Write twelve rows: a face of each class and some more, the sixth row black."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["emotion", "pixels", "Usage"])
        for row, usage in enumerate(USAGES):
            code = row % labels.NUM_CLASSES
            face = drawn.draw(labels.CLASSES[code], np.random.default_rng(row), size=48)
            grey = cv2.cvtColor(face.pixels, cv2.COLOR_RGB2GRAY) * (row != 5)
            rows.writerow([code, " ".join(map(str, grey.ravel())), usage])


if __name__ == "__main__":
    fer2013(BUILDERS / "fer2013" / "dummy_data" / "fer2013.csv")
