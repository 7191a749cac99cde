"""One picture, several labels: FER2013 beside FERPlus, and duplicates that disagree."""

import dataclasses

import cv2
import numpy as np
import pytest

from fer_tf import labels
from fer_tf import picture
from fer_tf.config import DataConfig
from fer_tf.errors import UserError
from fer_tf.manifest.clean import clean
from fer_tf.manifest.splits import HELD_OUT
from fer_tf.sources import Record

VOTED = (0.0, 0.0, 0.0, 0.4, 0.6, 0.0, 0.0)


def noise(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    return picture.encode_png(rng.integers(0, 256, (32, 32), np.uint8))


def original(row, split="train", label="Happy", image=None) -> Record:
    return Record(
        key=f"fer2013/{row}",
        image=noise(1000 + row) if image is None else image,
        label=label,
        label_original="3",
        distribution=labels.one_hot(label),
        split=split,
    )


def voted(row, split="train", label="Sad", image=None) -> Record:
    return Record(
        key=f"ferplus/{row}",
        image=noise(row) if image is None else image,
        label=label,
        label_original=label.lower() or "contempt",
        distribution=VOTED if label else (0.0,) * 7,
        split=split,
        votes=(0, 4, 0, 6, 0, 0, 0, 0, 0, 0),
    )


def both(count=3):
    """Return rows 0, 1 and 2 of both: of training, validation and test."""
    rows = zip(range(count), ("train", "validation", "test"), strict=False)
    return [
        record
        for row, split in rows
        for record in (original(row, split, image=noise(row)), voted(row, split))
    ]


def cleaned(records, weight=1.0, **options):
    config = DataConfig(ferplus_weight=weight, **options)
    return clean(records, config).set_index("key")


def distribution(table, key):
    return [float(part) for part in table.at[key, "distribution"].split()]


@pytest.mark.parametrize(
    ("weight", "stays", "goes"),
    [
        (1.0, "ferplus", "fer2013"),
        (0.3, "ferplus", "fer2013"),
        (0, "fer2013", "ferplus"),
    ],
)
def test_a_picture_is_trained_on_under_one_name(weight, stays, goes):
    table = cleaned(both(), weight)
    for row in (0, 1):
        assert table.at[f"{stays}/{row}", "excluded"] == ""
        reason = table.at[f"{goes}/{row}", "excluded"]
        assert reason == f"same picture as {stays}/{row}"
    assert table.at["fer2013/2", "excluded"] == table.at["ferplus/2", "excluded"] == ""
    assert table.at["fer2013/2", "group"] == table.at["ferplus/2", "group"]


@pytest.mark.parametrize(
    ("weight", "held_out", "trains"),
    [
        (0, "ferplus", "fer2013"),
        (0.5, "ferplus", "fer2013"),
        (1.0, "ferplus", "fer2013"),
        (0.5, "fer2013", "ferplus"),
        (1.0, "fer2013", "ferplus"),
    ],
)
def test_what_is_held_out_takes_nothing_from_training(weight, held_out, trains):
    """Neither its pictures under the other name, nor a share of a target."""
    sources = ("fer2013", "ferplus")
    table = cleaned(both(), weight, sources=sources, held_out=(held_out,))
    alone = [record for record in both() if record.key.startswith(trains)]
    wanted = cleaned(alone, weight)
    for row in (0, 1):
        assert table.at[f"{held_out}/{row}", "excluded"] == HELD_OUT
        for column in ("excluded", "label", "distribution"):
            assert table.at[f"{trains}/{row}", column] == (
                wanted.at[f"{trains}/{row}", column]
            )


@pytest.mark.parametrize(
    ("weight", "wanted", "label"),
    [
        (1.0, VOTED, "Sad"),
        (0.5, (0, 0, 0, 0.7, 0.3, 0, 0), "Happy"),
        (0.9, (0, 0, 0, 0.46, 0.54, 0, 0), "Sad"),
    ],
)
def test_targets_of_training_are_mixed_and_no_others(weight, wanted, label):
    table = cleaned(both(), weight)
    np.testing.assert_allclose(distribution(table, "ferplus/0"), wanted, atol=1e-6)
    assert table.at["ferplus/0", "label"] == label
    for key in ("ferplus/1", "ferplus/2"):
        np.testing.assert_allclose(distribution(table, key), VOTED)
        assert table.at[key, "label"] == "Sad"
    assert table.at["fer2013/2", "label"] == "Happy"
    assert set(table["label_published"]) == {"Sad", "Happy"}


def test_a_tie_keeps_the_label():
    records = [
        original(0, label="Angry", image=noise(0)),
        voted(0),
        *both()[2:],
    ]
    table = cleaned(records, weight=0.625)
    parts = distribution(table, "ferplus/0")
    assert parts[0] == parts[4] == 0.375
    assert table.at["ferplus/0", "label"] == "Sad"


def test_what_ferplus_has_no_label_for_is_left_out_by_its_vote():
    records = [original(0, image=noise(0)), voted(0, label=""), *both()[2:]]
    table = cleaned(records, weight=0.5)
    assert table.at["ferplus/0", "excluded"] == "label: contempt"
    assert table.at["fer2013/0", "excluded"] == "same picture as ferplus/0"
    table = cleaned(records, weight=0)
    assert table.at["fer2013/0", "excluded"] == ""


def test_folders_of_fer2013_are_joined_by_pixels_and_a_row_by_its_row():
    twin = noise(0)
    records = [
        original("train/happy/a.jpg", image=noise(7)),
        original(5, image=twin),
        voted(7, image=noise(7)),
        voted(4, image=twin),
        voted(5, image=twin),
        *both()[2:],
    ]
    table = cleaned(records)
    excluded = table["excluded"]
    assert excluded["fer2013/train/happy/a.jpg"] == "same picture as ferplus/7"
    assert excluded["fer2013/5"] == "same picture as ferplus/5"
    assert excluded["ferplus/4"] == ""


def test_a_picture_never_trains_under_one_name_and_tests_under_another():
    """The folders' `test` holds what FERPlus calls validation (fault 8)."""
    image = noise(50)
    records = [
        original("test/happy/a.jpg", "test", image=image),
        voted(50, "validation", image=image),
        *both(),
    ]
    excluded = cleaned(records)["excluded"]
    assert excluded["fer2013/test/happy/a.jpg"] == ""
    assert excluded["ferplus/50"] == "duplicate of fer2013/test/happy/a.jpg in test"


def doubled():
    """Return three duplicates in training, of two labels, and held-out rows."""
    image = noise(90)
    return [
        original(10, label="Fear", image=image),
        original(11, label="Fear", image=image),
        original(12, label="Surprise", image=image),
        original(13, "validation", image=noise(91)),
        original(14, "test", image=noise(92)),
    ]


def test_disagreeing_duplicates_are_merged_into_votes_or_listed():
    listed = cleaned(doubled(), disagreeing="list")
    assert listed["label"].tolist()[:3] == ["Fear", "Fear", "Surprise"]
    merged = cleaned(doubled(), disagreeing="merge")
    assert merged["label"].tolist()[:3] == ["Fear", "Fear", "Fear"]
    assert merged["label_published"].tolist()[:3] == ["Fear", "Fear", "Surprise"]
    for row in (10, 11, 12):
        parts = distribution(merged, f"fer2013/{row}")
        np.testing.assert_allclose(parts, [0, 0, 2 / 3, 0, 0, 1 / 3, 0], atol=1e-6)
    assert (merged["excluded"] == "").all()


def test_what_is_tested_on_is_not_merged():
    image = noise(90)
    records = [
        original(10, "test", label="Fear", image=image),
        original(11, "test", label="Surprise", image=image),
        original(13, "validation", image=noise(91)),
        original(14, image=noise(92)),
    ]
    merged = cleaned(records, disagreeing="merge")
    assert merged["label"].tolist()[:2] == ["Fear", "Surprise"]


def as_png_and_jpeg(row):
    """A picture as FERPlus has it, and as it lies in a folder of FER2013."""
    cells = np.random.default_rng(row).integers(0, 256, (8, 8), np.uint8)
    pixels = cv2.resize(cells, (48, 48), interpolation=cv2.INTER_CUBIC)
    in_folder = original(row, image=picture.encode_jpeg(pixels))
    return (
        voted(row, image=picture.encode_png(pixels)),
        dataclasses.replace(in_folder, key=f"fer2013/train/happy/{row}.jpg"),
    )


@pytest.mark.parametrize("weight", [0, 0.5, 1.0])
def test_pictures_whose_pixels_jpeg_changed_train_under_one_name_too(weight):
    """By their pixels alone not one of them is the other."""
    records = [one for row in range(6) for one in as_png_and_jpeg(row)]
    table = cleaned(records, weight)
    assert table["sha256"].nunique() == 12
    kept = table[table["excluded"] == ""]
    assert len(kept) == 6 and kept["group"].is_unique
    trained = kept[kept["split"] == "train"]
    assert set(trained["source"]) == {"ferplus" if weight else "fer2013"}
    if weight == 0.5:
        expected = 0.5 * np.array(VOTED) + 0.5 * np.array(labels.one_hot("Happy"))
        for key in trained.index:
            np.testing.assert_allclose(distribution(table, key), expected)


def test_without_weight_what_ferplus_alone_has_is_not_trained_on():
    table = cleaned([*both(), voted(7), voted(8, "validation"), voted(9, "test")], 0)
    for row in (7, 8):
        reason = table.at[f"ferplus/{row}", "excluded"]
        assert reason == "FERPlus has no weight in training"
    assert table.at["ferplus/9", "excluded"] == ""


@pytest.mark.parametrize("held_out", [(), ("fer2013",)])
def test_without_weight_ferplus_cannot_be_all_that_is_trained_on(held_out):
    sources = (*held_out, "ferplus")
    with pytest.raises(UserError, match="ferplus_weight=0"):
        DataConfig(sources=sources, held_out=held_out, ferplus_weight=0)
