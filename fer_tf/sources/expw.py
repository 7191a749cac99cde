"""ExpW: photographs from the web, and a list of the faces in them.

A photograph holds several faces. Each record is one of them, cropped once.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fer_tf import labels
from fer_tf.sources import disk
from fer_tf.sources import text
from fer_tf.sources.crop import crop_image
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import records
from fer_tf.sources.record import Record
from fer_tf.sources.record import converted
from fer_tf.sources.rejects import Rejects

NAME = "expw"
LABELS = "label.lst"
PICTURES = ("origin", "image/origin")
CELLS = 8


def find(folder: Path) -> Path:
    """Return `folder`; UserError where the list or the pictures are missing."""
    disk.find(NAME, [folder], [LABELS])
    _pictures(folder)
    return folder


def layout(root: Path) -> str:
    """Return the layout, for the build's report."""
    return f"{LABELS} with a row for each face"


def read(root: Path, rejects: Rejects, split: str = "") -> Iterator[Record]:
    """Yield a record per row of `LABELS`, all of them `train`.

    Raises:
        UserError: something is missing, or too many rows were rejected.
    """
    return records(entries(root), rejects, split)


def entries(root: Path) -> Iterator[Entry]:
    """Yield what `read` reads."""
    root = find(root)
    pictures = _pictures(root)
    for row, line in text.lines(root / LABELS):
        yield Entry(f"{LABELS}, row {row}", "train", partial(_record, pictures, line))


def _pictures(root: Path) -> Path:
    for name in PICTURES:
        if (root / name).is_dir():
            return root / name
    return root / disk.find(NAME, [root], PICTURES[:1]) / PICTURES[0]


def _record(pictures: Path, line: str) -> Record:
    # A name may hold spaces; the seven cells after it do not.
    name, face, *box, _, code = text.cells(line.rsplit(maxsplit=CELLS - 1), CELLS)
    # One way to write it: faces of one image are one group.
    name = disk.posix(name)
    top, left, right, bottom = (text.number(side) for side in box)
    label = labels.of_code(code, labels.EXPW)
    image = disk.image(pictures, name)
    cropped = crop_image(image, (left, top, right - left, bottom - top))
    return Record(
        key=f"{NAME}/{name}#{face}",
        image=cropped.image,
        label=label,
        label_original=code,
        distribution=labels.one_hot(label),
        split="train",
        photo=name,
        box_xywh_px=cropped.box_xywh_px,
        square_xywh_px=cropped.square_xywh_px,
        notes=converted(image.converted),
    )
