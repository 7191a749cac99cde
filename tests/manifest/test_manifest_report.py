"""The report adds up, and validation finds what was planted."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from fer_tf import picture
from fer_tf.manifest.clean import clean
from fer_tf.manifest.page import examples
from fer_tf.manifest.page import render
from fer_tf.manifest.report import LEAK
from fer_tf.manifest.report import duplicates
from fer_tf.manifest.report import kind
from fer_tf.manifest.report import largest_groups
from fer_tf.manifest.report import report
from fer_tf.manifest.report import stats
from fer_tf.manifest.validate import validate
from fer_tf.sources import drawn


RECORDS = {"drawn_faces": {"folder": "drawn_faces/1.0.0", "sha256": "0" * 64}}


@pytest.fixture(scope="module")
def records():
    """A hundred and forty drawn faces: a black one, two doubled, one of no label."""
    faces = list(drawn.records(140, seed=0))
    by_split = {face.split: index for index, face in enumerate(faces)}
    black = picture.encode_png(np.zeros((48, 48), np.uint8))
    change(faces, 0, image=black)
    change(faces, 1, label="", label_original="contempt")
    change(faces, 2, image=faces[by_split["test"]].image)
    change(faces, 3, image=faces[4].image)
    change(faces, 5, image=smaller(faces[6].image))
    return faces


def smaller(image: bytes) -> bytes:
    """Return the picture at half its size, as JPEG."""
    return picture.encode_jpeg(cv2.resize(picture.decode(image), (48, 48)))


def change(faces, index: int, **changes) -> None:
    """Replace a record by one that differs from it."""
    faces[index] = dataclasses.replace(faces[index], **changes)


@pytest.fixture(scope="module")
def manifest(records):
    """Their manifest."""
    return clean(records)


@pytest.fixture(scope="module")
def summary(manifest):
    """Its report; two rows were rejected when the source was built."""
    rejected = {"labels.csv, row 7": "words", "a.jpg": "damaged"}
    built = {"attempted": 142, "rejected": rejected}
    return report(manifest, {"drawn_faces": built})


def test_every_row_is_kept_or_has_a_reason(summary):
    assert json.loads(json.dumps(summary)) == summary
    assert summary["rows"] == 140 and summary["kept"] == 137
    assert summary["excluded"] == {
        "blank": 1,
        "duplicate of another in test": 1,
        "label: contempt": 1,
    }
    source = summary["by_source"]["drawn_faces"]
    assert source["attempted"] == source["rows"] + len(source["rejected"])
    for part in (summary, source, *source["by_split"].values()):
        assert part["rows"] == part["kept"] + sum(part["excluded"].values())
    for split in source["by_split"].values():
        assert sum(split["by_class"].values()) == split["kept"]
        left = split["rows"] - split["kept"]
        assert sum(split["excluded_by_class"].values()) == left
    assert sum(split["rows"] for split in source["by_split"].values()) == 140
    train = source["by_split"]["train"]["excluded_by_class"]
    assert train["none of ours"] == 1 and train["Angry"] == 1 and train["Fear"] == 1


def test_imbalance_is_the_largest_class_over_the_smallest(manifest, summary):
    train = summary["by_source"]["drawn_faces"]["by_split"]["train"]
    assert train["by_class"]["Surprise"] == 14 and train["by_class"]["Fear"] == 13
    assert train["imbalance"] == round(14 / 13, 2)
    no_fear = manifest[manifest["label"] != "Fear"]
    built = {"drawn_faces": {"attempted": 120, "rejected": {}}}
    parts = report(no_fear, built)["by_source"]["drawn_faces"]["by_split"]
    assert parts["train"]["imbalance"] is None


def test_duplicates_are_counted_within_and_across_splits(manifest):
    assert duplicates(manifest) == {
        "exact": {
            "pictures": 2,
            "rows": 4,
            "within_split": 1,
            "across_splits": 1,
            "other_label": 2,
        },
        "near": {
            "pictures": 1,
            "rows": 2,
            "within_split": 1,
            "across_splits": 0,
            "other_label": 1,
        },
    }


@pytest.mark.parametrize(
    "why", ["near duplicate of", "same photo as", "in the group of"]
)
def test_a_key_may_hold_what_a_reason_does(why):
    key = "own/train/best of 2019/such as 1.png"
    found = LEAK.fullmatch(f"{why} {key} in test")
    assert (found["why"], found["key"], found["into"]) == (why, key, "test")


def test_leaks_are_counted_by_where_they_led(summary):
    assert summary["leaks"] == {"duplicate of": {"train -> test": 1}}


def test_duplicates_that_disagree_in_training_are_listed(summary):
    assert [group["labels"] for group in summary["disagreeing"]] == [
        ["Happy", "Sad"],
        ["Surprise", "Neutral"],
    ]
    assert summary["disagreeing"][0]["keys"] == [
        "drawn_faces/0-000003",
        "drawn_faces/0-000004",
    ]


def test_the_largest_groups_are_shown(manifest, summary):
    assert [group["rows"] for group in summary["largest_groups"]] == [2, 2, 2]
    one = manifest.assign(group="drawn_faces/0-000000")
    (group,) = largest_groups(one)
    assert group["rows"] == 140 and len(group["keys"]) == 30


@pytest.mark.parametrize(
    "reason, wanted",
    [
        ("duplicate of fer2013/12 in test", "duplicate of another in test"),
        ("same subject as a/b c in test", "same subject as another in test"),
        ("near duplicate of a/in test in test", "near duplicate of another in test"),
        ("same picture as ferplus/3", "same picture as another"),
        ("label: contempt", "label: contempt"),
        ("blank", "blank"),
    ],
)
def test_a_reason_is_counted_by_its_kind(reason, wanted):
    assert kind(reason) == wanted


def test_stats_count_kept_rows_in_the_order_of_splits_and_classes(manifest):
    counts = stats(manifest)
    assert [split for _, split in counts.index] == ["train", "validation", "test"]
    assert list(counts.columns)[:2] == ["Angry", "Disgust"]
    assert counts.to_numpy().sum() == 137
    assert counts.loc[("drawn_faces", "train"), "Angry"] == 13


def test_a_manifest_is_as_its_records(manifest, records):
    assert validate(manifest, records) == []


@pytest.mark.parametrize(
    "column, value, finding",
    [
        ("label", "Contempt", "'Contempt'"),
        ("split", "dev", "'dev'"),
        ("sha256", "0" * 64, "pixels"),
        ("label_published", "Sad", " label "),
        ("label_original", "x", "publisher's label"),
        ("split_published", "x", "publisher's split"),
        ("votes", "1 2", "votes"),
        ("subject", "x", "subject"),
        ("photo", "x", "photo"),
        ("distribution", "1 0 0", "'1 0 0'"),
        ("distribution", "1 1 0 0 0 0 0", "'1 1 0 0 0 0 0'"),
        ("distribution", "one", "'one'"),
    ],
)
def test_a_changed_cell_is_found_and_its_row_named(
    manifest, records, column, value, finding
):
    broken = manifest.copy()
    broken.loc[50, column] = value
    (message,) = validate(broken, records)
    assert message.startswith(f"{manifest.loc[50, 'key']}: ") and finding in message


def test_missing_and_extra_records_are_named(manifest, records):
    fewer, more = records[:-1], [*records, *drawn.records(1, seed=8)]
    (missing,) = validate(manifest, fewer)
    assert missing.startswith(f"{records[-1].key}: ")
    (extra,) = validate(manifest, more)
    assert extra.startswith("drawn_faces/8-000000: ")
    assert extra.partition(": ")[2] != missing.partition(": ")[2]


def test_a_leak_that_was_put_back_is_found(manifest, records):
    leaky = manifest.copy()
    leaky.loc[2, "excluded"] = ""
    by_group, by_pixels = validate(leaky, records)
    assert "group" in by_group
    assert by_pixels.startswith(f"{manifest.loc[2, 'key']}: ") and "sha256" in by_pixels


def test_a_record_that_can_no_longer_be_decoded_has_changed(manifest, records):
    broken = list(records)
    change(broken, 7, image=b"")
    (message,) = validate(manifest, broken)
    assert message.startswith(records[7].key) and "pixels" in message


def test_a_near_duplicate_kept_in_another_split_is_found(records, manifest):
    """As an older or edited manifest may have it: the search is made anew."""
    near = list(records)
    test = next(n for n, face in enumerate(records) if face.split == "test")
    change(near, 10, image=smaller(records[test].image))
    assert near[10].split == "train"
    table = clean(near)
    assert table.loc[10, "excluded"] == f"near duplicate of {near[test].key} in test"
    shown = examples(table)["Near duplicates across splits"]
    assert shown == [(near[10].key, near[test].key)]
    table.loc[10, ["excluded", "group"]] = ["", "alone"]
    found = validate(table, near)
    assert found == [
        f"{near[10].key}: kept in train, but a near duplicate of "
        f"{near[test].key} in test"
    ]


def test_the_page_holds_every_figure_and_no_picture(manifest, summary):
    page = render({**summary, "records": RECORDS}, manifest)
    for text in ("<strong>137</strong> of 140 rows", "label: contempt", "damaged"):
        assert text in page
    assert "train → test" in page
    assert "<img" not in page


def test_the_page_shows_pictures_where_they_are_wanted(records, manifest, summary):
    shown = examples(manifest)
    (pair,) = shown["Near duplicates within a split"]
    assert set(pair) == {"drawn_faces/0-000005", "drawn_faces/0-000006"}
    assert shown["Left out: blank"] == [("drawn_faces/0-000000",)]
    keys = {key for pairs in shown.values() for pair in pairs for key in pair}
    images = {record.key: record.image for record in records if record.key in keys}
    page = render({**summary, "records": RECORDS}, manifest, images)
    assert page.count("<img") == sum(len(k) for pairs in shown.values() for k in pairs)
    assert "data:image/png;base64," in page and "data:image/jpeg;base64," in page


def test_a_fresh_manifest_has_no_findings_however_close_a_pair_is(records):
    """Validation searches as cleaning does: the same pictures, with the same result."""
    rng = np.random.default_rng(0)
    near = list(records)
    tests = [face for face in records if face.split == "test"]
    for row, face in enumerate(tests):
        change(near, 20 + row, image=distorted(face.image, rng.uniform(0.5, 1.5)))
    table = clean(near)
    assert table["excluded"].str.startswith("near duplicate").any()
    assert validate(table, near) == []


def distorted(image: bytes, strength: float) -> bytes:
    """Return a picture turned and blurred, so that it may be found again or not."""
    turn = cv2.getRotationMatrix2D((48, 48), 3 * strength, 1 + 0.05 * strength)
    turned = cv2.warpAffine(picture.decode(image), turn, (96, 96))
    return picture.encode_png(cv2.GaussianBlur(turned, (0, 0), strength))
