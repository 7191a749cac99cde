"""What a manifest leaves out, and why; which rows belong together."""

import io

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_tf import labels
from fer_tf import picture
from fer_tf.config import DataConfig
from fer_tf.errors import UserError
from fer_tf.manifest import hashes
from fer_tf.manifest.clean import clean
from fer_tf.manifest.clean import clusters
from fer_tf.manifest.clean import groups
from fer_tf.manifest.clean import leaks
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


def held(key: str) -> list[Record]:
    """Return a row of each held-out split, so that none is cut from training."""
    return [record(f"{key}/held-{split}", split) for split in ("validation", "test")]


def excluded(*records: Record, **options) -> dict[str, str]:
    """Return `excluded` by key; sources without held-out splits get some."""
    sources = sorted({each.source for each in records})
    more = [row for source in sources for row in held(source)]
    table = clean([*records, *more], DataConfig(sources=tuple(sources), **options))
    rows = zip(table["key"], table["excluded"], strict=True)
    return {key: why for key, why in rows if "/held-" not in key}


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
                photo="p 1",
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
        "phash": hashes.perceptual(hashes.waves(hashes.thumbnail(pixels))),
        "width": 32,
        "height": 30,
        "duplicate_of": "",
        "label_published": "Happy",
        "label_original": "3",
        "split_published": "test",
        "votes": "0 3 7",
        "distribution": "0.3 0 0 0.7 0 0 0",
        "subject": "s1",
        "photo": "p 1",
    }


def animated():
    """Encode two frames of noise as GIF."""
    frames = [Image.fromarray(noise(seed)) for seed in (1, 2)]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    return data.getvalue()


ANIMATED = animated()


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({}, ""),
        ({"image": b""}, "undecodable"),
        ({"image": b"not a picture"}, "undecodable"),
        ({"image": picture.encode_png(noise(0))[:200]}, "undecodable"),
        ({"pixels": np.zeros((48, 48), np.uint8)}, "blank"),
        ({"pixels": np.full((48, 48), 255, np.uint8)}, "blank"),
        ({"pixels": noise(1, side=23)}, "too small: under 24 pixels"),
        ({"pixels": noise(1, side=24)}, ""),
        ({"label": "", "label_original": "contempt"}, "label: contempt"),
        (
            {"image": cv2.imencode(".png", np.dstack([noise(1), noise(1)[..., 0]]))[1]},
            "",
        ),
        ({"image": ANIMATED}, "unfit: the image is animated, expected one frame."),
    ],
)
def test_what_is_unusable_is_left_out_by_name(changes, reason):
    if "image" in changes:
        changes = {"image": bytes(changes["image"])}
    assert excluded(record("some/1", **changes)) == {"some/1": reason}


def test_a_label_is_left_out_by_its_published_name():
    left = record("affectnet/1", label="", label_original="10")
    assert excluded(left) == {"affectnet/1": "label: no face"}


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
    with pytest.raises(UserError, match="'a/1'"):
        clean([record("a/1"), record("a/1")])


def test_the_limit_is_per_source_and_split_and_grows_by_adding():
    records = [
        record(f"{source}/{split}{n}", split)
        for source in "ab"
        for split in ("train", "validation", "test")
        for n in range(6)
    ]
    kept = {}
    for limit in (2, 4, 9):
        table = clean(records, DataConfig(limit=limit))
        kept[limit] = set(table["key"][table["excluded"] == ""])
        assert set(table["excluded"]) <= {"", "limit"}
    assert kept[2] < kept[4] < kept[9]
    assert [len(keys) for keys in kept.values()] == [12, 24, 36]
    assert sum(key.startswith("a/train") for key in kept[4]) == 4


def test_the_limit_counts_usable_rows_only_and_leaves_the_others_their_reason():
    black = np.zeros((48, 48), np.uint8)
    blank = {f"a/{n}": "blank" for n in range(8)}
    records = [record(key, pixels=black) for key in blank]
    found = excluded(*records, record("a/8"), record("a/9"), limit=1)
    assert {key: found[key] for key in blank} == blank
    assert sorted((found["a/8"], found["a/9"])) == ["", "limit"]


def test_the_exact_hash_is_of_pixels_and_their_shape():
    pixels = noise(0)
    bmp = cv2.imencode(".bmp", pixels[..., ::-1])[1].tobytes()
    same = hashes.sha256_of_pixels(picture.decode(bmp))
    assert same == hashes.sha256_of_pixels(pixels)
    assert same != hashes.sha256_of_pixels(pixels.reshape(16, 64, 3))


def test_faces_cut_from_one_photo_are_one_group_and_one_split():
    found = excluded(
        record("a/1", "train", photo="p.jpg"), record("a/2", "test", photo="p.jpg")
    )
    assert found == {"a/1": "same photo as a/2 in test", "a/2": ""}


def chain() -> tuple[pd.DataFrame, np.ndarray]:
    """Return four rows, each a near duplicate of the next, and these pairs."""
    splits = ("train", "train", "train", "test")
    table = clean([record(f"a/{n}", split) for n, split in enumerate(splits)])
    table["split"], table["excluded"] = splits, ""
    pairs = np.array([[0, 1], [1, 2], [2, 3]])
    table["duplicate_of"] = clusters(table, pairs)
    table["group"] = groups(table)
    return table, pairs


def test_a_cluster_does_not_grow_along_a_chain():
    table, _ = chain()
    assert table["duplicate_of"].tolist() == ["a/1", "", "a/1", ""]
    assert table["group"].tolist() == ["a/0", "a/0", "a/0", "a/3"]


def test_nothing_leaks_along_a_chain_either():
    table, pairs = chain()
    assert leaks(table, pairs).tolist() == [
        "",
        "",
        "near duplicate of a/3 in test",
        "",
    ]


def test_the_very_same_pixels_leak_as_the_pair_that_they_are_of():
    """Row 4 has row 2's pixels; only row 2 took part in the search."""
    table, pairs = chain()
    twin = table.loc[[2]].assign(key="a/4", group="a/4")
    table = pd.concat([table, twin], ignore_index=True)
    assert leaks(table, pairs)[4] == "near duplicate of a/3 in test"


def test_slack_around_a_face_does_not_hide_a_duplicate():
    face = cv2.resize(noise(5, side=9), (64, 64), interpolation=cv2.INTER_CUBIC)
    loose = cv2.copyMakeBorder(face, 30, 20, 25, 25, cv2.BORDER_CONSTANT, value=9)
    found = excluded(
        record("a/1", "train", pixels=loose, square_xywh_px=(25, 30, 64, 64)),
        record("b/2", "test", pixels=face),
    )
    assert found == {"a/1": "near duplicate of b/2 in test", "b/2": ""}
