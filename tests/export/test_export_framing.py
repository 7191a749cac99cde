"""Framing from the corpus' own boxes: where a face lies in what a model is shown."""

import numpy as np
import pytest

pytest.importorskip("tensorflow_datasets")

from export import framing  # noqa: E402
from fer_tf.errors import UserError  # noqa: E402
from fer_tf.preprocess import Framing  # noqa: E402
from fer_tf.sources import Record  # noqa: E402

PIXELS = np.zeros((100, 120, 3), np.uint8)


def record(box=(), square=()):
    return Record(
        key="a/1",
        image=b"",
        label="Happy",
        label_original="happy",
        distribution=(0, 0, 0, 1, 0, 0, 0),
        split="train",
        box_xywh_px=box,
        square_xywh_px=square,
    )


def test_a_box_is_taken_relative_to_the_square_that_is_shown():
    """Slack around the square, which no model sees, makes no difference."""
    shown = record(box=(40, 32, 20, 20), square=(30, 20, 40, 40))
    fitted, report = framing._from_records([(shown, PIXELS)] * 3)
    assert fitted == Framing(scale=2.0, dx=0.0, dy=-0.1)
    assert report["n"] == 3


def test_without_a_square_all_of_the_picture_is_shown():
    whole = record(box=(40, 30, 40, 40))
    fitted, _ = framing._from_records([(whole, PIXELS[:, :100])])
    assert fitted == Framing(scale=2.5, dx=-0.25, dy=0.0)


def test_records_without_a_box_say_what_to_set():
    with pytest.raises(UserError, match="face.framing_from=yunet"):
        framing._from_records([(record(), PIXELS)])
