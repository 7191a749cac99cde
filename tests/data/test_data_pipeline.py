"""Records, manifest and soft labels joined: order, views and what is evaluated."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import tfds_builders
from fer_tf import config as recipes
from fer_tf.config import AugmentConfig
from fer_tf.data import cache
from fer_tf.data import pipeline
from fer_tf.data import records
from fer_tf.data.augment import view
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.errors import UserError
from fer_tf.manifest import clean
from fer_tf.manifest import table
from fer_tf.picture import decode
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import prepare

SPEC = FaceSpec(size=16)
AUGMENT = AugmentConfig(
    tint=0.2, downscale=0.5, blur=0.02, jpeg_quality=30, grey=0.3, cutout=0.3
)


@pytest.fixture
def pictures():
    """Ten, of which the first are kept as they are and the last are reduced."""
    rng = np.random.default_rng(0)
    sides = [(14 + 7 * row, 18 + 5 * row) for row in range(10)]
    return [rng.integers(0, 256, (*side, 3), np.uint8) for side in sides]


@pytest.fixture
def faces(pictures):
    labels = np.arange(10) % 7
    return Faces(
        keys=np.array([f"a/{row}" for row in range(10)]),
        crops=[crop_of(picture, (), SPEC.size) for picture in pictures],
        targets=np.eye(7, dtype=np.float32)[labels],
        labels=labels,
        sources=np.array(["a"] * 10),
        groups=np.array([f"a/{row}" for row in range(10)]),
        agreed=np.ones(10, bool),
    )


def take(faces, rows, views, **more):
    data = pipeline.batches(
        faces,
        spec=SPEC,
        augment=AUGMENT,
        seed=4,
        rows=np.array(rows),
        views=np.array(views),
        batch_size=4,
        **more,
    )
    return [{name: each.numpy() for name, each in batch.items()} for batch in data]


def test_rows_come_in_the_order_asked_for_with_their_targets(faces):
    rows = [7, 2, 2, 9, 0, 5]
    found = take(faces, rows, [0] * 6)
    assert [len(batch["row"]) for batch in found] == [4, 2]
    together = np.concatenate([batch["row"] for batch in found])
    np.testing.assert_array_equal(together, rows)
    targets = np.concatenate([batch["target"] for batch in found])
    np.testing.assert_array_equal(targets, faces.targets[rows])


def test_a_batch_holds_the_views_that_augment_gives_outside_it(faces):
    """The same pixels in the graph as out of it, whichever thread made them."""
    (found,) = take(faces, [3, 3, 8], [0, 5, 1])
    for image, row, number in zip(found["image"], [3, 3, 8], [0, 5, 1], strict=True):
        expected = view(
            faces.crops[row],
            spec=SPEC,
            augment=AUGMENT,
            seed=4,
            key=f"a/{row}",
            number=number,
        )
        np.testing.assert_array_equal(image, expected)


def test_what_is_evaluated_is_what_live_prepares(faces, pictures):
    images = np.concatenate(
        [batch["image"].numpy() for batch in pipeline.plain_batches(faces, SPEC, 4)]
    )
    for image, picture in zip(images, pictures, strict=True):
        np.testing.assert_array_equal(image, prepare(picture, SPEC))


def test_further_columns_stay_with_their_rows(faces):
    rows = np.array([4, 1, 6])
    (found,) = take(faces, rows, [0, 0, 0], extra={"soft_label": rows * 10.0})
    np.testing.assert_array_equal(found["soft_label"], found["row"] * 10.0)


def test_training_batches_are_all_of_one_size(faces):
    found = take(faces, range(10), [0] * 10, drop_remainder=True)
    assert [batch["image"].shape for batch in found] == [(4, 16, 16, 3)] * 2


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A recipe of seventy drawn faces, which are built."""
    folder = tmp_path_factory.mktemp("records")
    config = recipes.load(None, ["data.drawn_count=70", f"data.data_dir={folder}"])
    tfds_builders.build("drawn_faces", folder, folder, config.data)
    return config


@pytest.fixture
def data_dir(config, tmp_path):
    """The built records in a folder of their own, where no crops are yet."""
    (source,) = config.data.sources
    (tmp_path / source).symlink_to(Path(config.data.data_dir, source))
    return tmp_path


@pytest.fixture
def own(config, data_dir):
    return recipes.load(None, ["data.drawn_count=70", f"data.data_dir={data_dir}"])


@pytest.fixture
def manifest(own, data_dir):
    folder = records.locate(data_dir, "drawn_faces", own.data)
    table.write(data_dir / "manifest.csv", clean.clean(records.read(folder)))
    return data_dir / "manifest.csv"


def same(found, expected):
    for name in ("keys", "targets", "labels", "sources", "groups", "agreed"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for one, other in zip(found.crops, expected.crops, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.plain, other.plain)


def test_records_and_manifest_are_joined_by_key(own, manifest):
    faces = pipeline.load(own, manifest)
    assert {split: len(each) for split, each in faces.items()} == {
        "train": 49,
        "validation": 14,
        "test": 7,
    }
    by_key = {record.key: record for record, _ in pipeline.kept_records(own, manifest)}
    for each in faces.values():
        for key, crop, target in zip(each.keys, each.crops, each.targets, strict=True):
            expected = crop_of(decode(by_key[key].image), (), own.face.size)
            np.testing.assert_array_equal(crop.pixels, expected.pixels)
            np.testing.assert_allclose(target, by_key[key].distribution, atol=1e-6)


def test_some_records_are_from_all_over(own, manifest):
    """The first ones would all be of one source, and a live face framed as in that."""
    kept, twenty, ten = (
        [record.key for record, _ in pipeline.kept_records(own, manifest, most=most)]
        for most in (None, 20, 10)
    )
    places = [kept.index(key) for key in ten]
    assert len(ten) == 10 and set(ten) < set(twenty) < set(kept)
    assert min(places) < 35 < max(places)


def test_it_is_known_where_most_voters_agree(own, manifest):
    rows = table.read(manifest)
    rows.loc[3, "votes"] = "5 4 1 0 0 0 0 0 0 0"
    rows.loc[5, "votes"] = "5 5 0 0 0 0 0 0 0 0"
    table.write(manifest, rows)
    faces = pipeline.load(own, manifest).values()
    keys = np.concatenate([each.keys[~each.agreed] for each in faces])
    assert keys.tolist() == [rows["key"][5]]


def test_pictures_are_decoded_once(own, manifest, monkeypatch):
    first = pipeline.load(own, manifest)
    monkeypatch.setattr(pipeline, "decode", None)
    again = pipeline.load(own, manifest)
    for split in first:
        same(again[split], first[split])


def test_a_damaged_cache_is_made_anew(own, manifest, data_dir):
    first = pipeline.load(own, manifest)["train"].crops[0].pixels.copy()
    (packed,) = data_dir.glob("crops/*/pixels.u8")
    packed.write_bytes(packed.read_bytes()[:-1])
    again = pipeline.load(own, manifest)["train"].crops[0].pixels
    np.testing.assert_array_equal(again, first)


def test_another_size_or_choice_of_rows_is_another_cache(own, manifest, data_dir):
    pipeline.load(own, manifest)
    rows = table.read(manifest)
    rows.loc[rows.index[rows["split"] == "train"][0], "excluded"] = "by hand"
    table.write(manifest, rows)
    assert len(pipeline.load(own, manifest)["train"]) == 48
    larger = recipes.load(
        None, ["data.drawn_count=70", f"data.data_dir={data_dir}", "face.size=56"]
    )
    assert pipeline.load(larger, manifest)["train"].crops[0].plain.shape[:2] == (56, 56)
    assert len([*data_dir.glob("crops/*")]) == 3


def test_a_row_without_a_record_is_told_and_nothing_is_kept(own, manifest, data_dir):
    rows = table.read(manifest)
    rows.loc[0, "key"] = "drawn_faces/nobody"
    table.write(manifest, rows)
    with pytest.raises(UserError, match="'drawn_faces/nobody'"):
        pipeline.load(own, manifest)
    assert not [*data_dir.glob("crops/*")]


def test_a_picture_that_is_no_longer_the_manifests_is_told(own, manifest):
    rows = table.read(manifest)
    rows.loc[3, "sha256"] = "0" * 64
    table.write(manifest, rows)
    with pytest.raises(UserError, match=rows["key"][3]):
        pipeline.load(own, manifest)


def test_a_split_without_a_row_is_named(own, manifest):
    rows = table.read(manifest)
    rows.loc[rows["split"] == "test", "excluded"] = "by hand"
    table.write(manifest, rows)
    with pytest.raises(UserError, match=r"\btest\b.*fer-tf data stats"):
        pipeline.load(own, manifest)


def test_memory_stays_flat_as_the_corpus_grows(tmp_path):
    """Crops come from a map: what Python allocates does not hang on how many."""
    crop = crop_of(np.zeros((64, 64, 3), np.uint8), (), 64)
    peaks = []
    for count in (50, 2000):
        folder = tmp_path / str(count)
        tracemalloc.start()
        crops = cache.write(folder, ((row, crop) for row in range(count)), count)
        sum(crops[row].pixels.sum() for row in range(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 2000 * crop.pixels.size / 10


def test_images_of_a_source_to_validate_on_are_a_split_of_their_own(own, data_dir):
    folder = records.locate(data_dir, "drawn_faces", own.data)
    path = data_dir / "shifted.csv"
    rows = clean.clean(records.read(folder))
    shifted = rows["key"].isin(rows["key"][::10])
    rows.loc[shifted, "split"] = "domain_validation"
    table.write(path, rows)
    faces = pipeline.load(own, path)
    assert list(faces) == ["train", "validation", "test", "domain_validation"]
    assert set(faces["domain_validation"].keys) == set(rows["key"][shifted])
    together = np.concatenate([each.keys for each in faces.values()])
    assert len(set(together)) == len(together) == 70
