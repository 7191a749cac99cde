"""What a manifest leaves out, and why; which rows belong together."""

import cv2
import numpy as np
import pytest

from fer_tf import labels
from fer_tf import picture
from fer_tf.errors import UserError
from fer_tf.manifest import hashes
from fer_tf.manifest.clean import clean
from fer_tf.manifest.table import COLUMNS
from fer_tf.sources import Record
from fer_tf.sources import drawn


def noise(seed: int, side: int = 32) -> np.ndarray:
    """Return a picture like no other, uint8 [side, side, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def record(key: str, split: str = "train", *, pixels=None, **changes) -> Record:
    """Return a happy record; without `pixels` a picture of its own."""
    if pixels is None:
        pixels = noise(sum(map(ord, key)))
    values = {
        "image": picture.encode_png(pixels),
        "label": "Happy",
        "label_original": "3",
        "distribution": labels.one_hot("Happy"),
    }
    return Record(key=key, split=split, **{**values, **changes})


def excluded(*records: Record, limit: int = 0) -> dict[str, str]:
    """Return `excluded` by key."""
    table = clean(records, limit)
    return dict(zip(table["key"], table["excluded"], strict=True))


def test_a_row_says_what_the_record_says():
    pixels = noise(0)[:30]
    table = clean(
        [
            record(
                "some/a-1",
                "test",
                pixels=pixels,
                votes=(0, 3, 7),
                distribution=(0.3, 0, 0, 0.7, 0, 0, 0),
                subject="s1",
            )
        ]
    )
    assert tuple(table.columns) == COLUMNS
    assert table.iloc[0].to_dict() == {
        "key": "some/a-1",
        "source": "some",
        "label": "Happy",
        "split": "test",
        "group": "some/a-1",
        "excluded": "",
        "sha256": hashes.sha256_of_pixels(pixels),
        "phash": hashes.perceptual(pixels),
        "width": 32,
        "height": 30,
        "label_original": "3",
        "votes": "0 3 7",
        "distribution": "0.3 0 0 0.7 0 0 0",
        "subject": "s1",
    }


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({}, ""),
        ({"image": b""}, "undecodable"),
        ({"image": b"not a picture"}, "undecodable"),
        ({"image": picture.encode_png(noise(0))[:200]}, "undecodable"),
        ({"pixels": np.zeros((48, 48), np.uint8)}, "blank"),
        ({"pixels": np.full((48, 48), 255, np.uint8)}, "blank"),
        ({"pixels": noise(1, side=23)}, "too small"),
        ({"pixels": noise(1, side=24)}, ""),
        ({"label": "", "label_original": "contempt"}, "label: contempt"),
    ],
)
def test_what_is_unusable_is_left_out_by_name(changes, reason):
    assert excluded(record("some/1", **changes)) == {"some/1": reason}


def test_drawn_faces_are_all_kept():
    assert set(clean(drawn.records(70, seed=0))["excluded"]) == {""}


def test_a_picture_in_two_splits_stays_in_the_one_that_is_held_out():
    same = noise(9)
    found = excluded(
        record("a/1", "train", pixels=same),
        record("a/2", "validation", pixels=same),
        record("b/3", "test", pixels=same),
        record("b/4", "test", pixels=same),
        record("b/5", "train"),
    )
    assert found == {
        "a/1": "duplicate of b/3 in test",
        "a/2": "duplicate of b/3 in test",
        "b/3": "",
        "b/4": "",
        "b/5": "",
    }


def test_validation_keeps_what_training_has_too():
    same = noise(9)
    assert excluded(
        record("a/1", "validation", pixels=same), record("a/2", "train", pixels=same)
    ) == {"a/1": "", "a/2": "duplicate of a/1 in validation"}


def test_a_row_that_is_left_out_takes_no_other_with_it():
    same = noise(9)
    found = excluded(
        record("a/1", "test", pixels=same, label="", label_original="contempt"),
        record("a/2", "train", pixels=same),
    )
    assert found == {"a/1": "label: contempt", "a/2": ""}


def test_blank_pictures_are_not_each_others_duplicates():
    black = np.zeros((48, 48), np.uint8)
    table = clean([record(f"a/{n}", pixels=black) for n in range(3)])
    assert table["group"].tolist() == ["a/0", "a/1", "a/2"]


def test_a_subject_is_in_one_split_and_groups_chain():
    same = noise(9)
    table = clean(
        [
            record("a/1", "train", subject="ann"),
            record("a/2", "train", subject="ann", pixels=same),
            record("b/3", "test", pixels=same),
            record("b/4", "train", subject="ann"),
        ]
    )
    # The other corpus' ann is somebody else.
    assert table["group"].tolist() == ["a/1", "a/1", "a/1", "b/4"]
    assert table["excluded"].tolist()[1] == "duplicate of b/3 in test"
    assert table["excluded"].tolist()[2:] == ["", ""]


def test_the_same_subject_in_two_splits_is_called_that():
    found = excluded(
        record("a/1", "train", subject="ann"), record("a/2", "test", subject="ann")
    )
    assert found == {"a/1": "same subject as a/2 in test", "a/2": ""}


def test_rows_are_in_natural_order_whatever_the_order_of_records():
    records = [record(f"a/{n}") for n in (10, 9, 100)] + [record("B/1")]
    table = clean(records)
    assert table["key"].tolist() == ["B/1", "a/9", "a/10", "a/100"]
    assert table.equals(clean(reversed(records)))


def test_two_records_of_one_key_are_refused():
    with pytest.raises(UserError, match="two records have the key 'a/1'"):
        clean([record("a/1"), record("a/1")])


def test_the_limit_is_per_source_and_split_and_grows_by_adding():
    records = [
        record(f"{source}/{split}{n}", split)
        for source in "ab"
        for split in ("train", "test")
        for n in range(6)
    ]
    kept = {
        limit: {key for key, why in excluded(*records, limit=limit).items() if not why}
        for limit in (2, 4, 9)
    }
    assert kept[2] < kept[4] < kept[9]
    assert [len(keys) for keys in kept.values()] == [8, 16, 24]
    assert sum(key.startswith("a/train") for key in kept[4]) == 4
    assert set(excluded(*records, limit=2).values()) == {"", "limit"}


def test_the_limit_counts_usable_rows_only():
    black = np.zeros((48, 48), np.uint8)
    records = [record(f"a/{n}", pixels=black) for n in range(8)] + [record("a/9")]
    assert excluded(*records, limit=1)["a/9"] == ""


def test_the_exact_hash_is_of_pixels_and_their_shape():
    pixels = noise(0)
    bmp = cv2.imencode(".bmp", pixels[..., ::-1])[1].tobytes()
    same = hashes.sha256_of_pixels(picture.decode(bmp))
    assert same == hashes.sha256_of_pixels(pixels)
    assert same != hashes.sha256_of_pixels(pixels.reshape(16, 64, 3))


def test_the_perceptual_hash_forgives_light_and_size_and_no_more():
    faces = [picture.decode(face.image) for face in drawn.records(30, seed=0)]
    base = [bits(face) for face in faces]
    for face, known in zip(faces, base, strict=True):
        darker = np.round(face * 0.8 + 10).astype(np.uint8)
        smaller = cv2.resize(face, (64, 64), interpolation=cv2.INTER_AREA)
        assert (bits(darker) != known).sum() <= 4
        assert (bits(smaller) != known).sum() <= 6
    apart = [(a != b).sum() for n, a in enumerate(base) for b in base[:n]]
    assert np.median(apart) > 16


def bits(pixels: np.ndarray) -> np.ndarray:
    """Return the perceptual hash as [64] of 0 and 1."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(hashes.perceptual(pixels)), "u1"))
