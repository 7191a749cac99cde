"""Records, manifest and soft labels joined by key, as `tf.data`."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from rich.progress import track

from fer_tf import files
from fer_tf.config import AugmentConfig
from fer_tf.config import Config
from fer_tf.data import cache
from fer_tf.data import crops
from fer_tf.data import records
from fer_tf.data import ten_crops
from fer_tf.data.augment import view
from fer_tf.data.crops import Crop
from fer_tf.errors import UserError
from fer_tf.labels import INDEX
from fer_tf.labels import NUM_CLASSES
from fer_tf.labels import agreed
from fer_tf.manifest import hashes
from fer_tf.manifest import table
from fer_tf.picture import decode
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import prepare
from fer_tf.sources import MANIFEST_SPLITS
from fer_tf.sources import SPLITS
from fer_tf.sources import Record

PLAIN = -1


@dataclass(frozen=True)
class Faces:
    """The kept records of one split.

    Attributes:
        keys: str [n].
        crops: n of them, mapped from disk as they are asked for.
        targets: float32 [n, 7], distributions.
        labels: int64 [n].
        sources: str [n].
        groups: str [n]; duplicates and pictures of one subject share one.
        agreed: bool [n], whether most of those who labelled it agree (`labels.agreed`).
    """

    keys: np.ndarray
    crops: cache.Crops
    targets: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    groups: np.ndarray
    agreed: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: np.ndarray) -> "Faces":
        """Return some of the pictures, in the order of their `rows`."""
        return Faces(
            keys=self.keys[rows],
            crops=self.crops.take(rows),
            targets=self.targets[rows],
            labels=self.labels[rows],
            sources=self.sources[rows],
            groups=self.groups[rows],
            agreed=self.agreed[rows],
        )


def face_spec(config: Config) -> FaceSpec:
    """Return the recipe's FaceSpec; live framing is fitted later, for the bundle."""
    face = config.face
    return FaceSpec(face.size, face.grey, face.clahe_clip, face.clahe_tiles)


def load(config: Config, manifest: Path) -> dict[str, Faces]:
    """Return the pictures that the manifest keeps, by split.

    The splits are `SPLITS`, and `DOMAIN_VALIDATION` where the config has sources in
    `data.validate_on`.

    They are decoded by the first command that asks for them; later ones find them in
    `<data_dir>/crops/`.

    Raises:
        UserError: a kept row has no record or another picture than it had, or a split
            has no row.
        OutsideError: the crops cannot be written.
    """
    rows = _kept_rows(manifest)
    for split in SPLITS:
        if not (rows["split"] == split).any():
            raise UserError(
                f"the manifest keeps no picture of the split {split}: see "
                "`fer-tf data stats`."
            )
    found = _crops(config, rows)
    present = [split for split in MANIFEST_SPLITS if (rows["split"] == split).any()]
    return {split: _faces(rows, found, split) for split in present}


def kept_records(
    config: Config,
    manifest: Path,
    splits: Sequence[str] = SPLITS,
    most: int | None = None,
) -> Iterator[tuple[Record, np.ndarray]]:
    """Yield the records of some splits that the manifest keeps, and their pixels.

    Sources come one after another; `most` takes so many of all of them alike, by the
    digest of their keys.
    """
    rows = _kept_rows(manifest)
    rows = rows[rows["split"].isin(splits)]
    if most is not None:
        rows = rows.loc[rows["key"].map(files.digest_of).sort_values().index[:most]]
    yield from _records(config, rows)


def _kept_rows(manifest: Path) -> pd.DataFrame:
    rows = table.read(manifest)
    return rows[table.kept(rows)]


def _records(
    config: Config, rows: pd.DataFrame
) -> Iterator[tuple[Record, np.ndarray]]:
    keys = set(rows["key"])
    for folder in _folders(config, rows):
        for record in records.read(folder):
            if record.key in keys:
                yield record, decode(record.image)


def _folders(config: Config, rows: pd.DataFrame) -> list[Path]:
    data_dir = Path(config.data.data_dir)
    return [
        records.locate(data_dir, source, config.data)
        for source in sorted(set(rows["source"]))
    ]


def _crops(config: Config, rows: pd.DataFrame) -> cache.Crops:
    folder = Path(config.data.data_dir, "crops", _digest(config, rows))
    found = cache.find(folder, len(rows))
    if found is None:
        made = track(
            _made_crops(config, rows),
            description="Decode the pictures",
            total=len(rows),
            transient=True,
        )
        found = cache.write(folder, made, len(rows))
    return found


def _digest(config: Config, rows: pd.DataFrame) -> str:
    """Return what names a cache: everything that its crops depend on."""
    return files.digest_of(
        {
            "keys": rows["key"].tolist(),
            "sha256": rows["sha256"].tolist(),
            "records": [
                records.fingerprint(folder) for folder in _folders(config, rows)
            ],
            # Each side of a crop is bounded by itself; once, the shorter was alone.
            "bounds": [config.face.size, [crops.MAX_SHRINK] * 2, crops.SLACK],
        }
    )


def _made_crops(config: Config, rows: pd.DataFrame) -> Iterator[tuple[int, Crop]]:
    row_of = {key: row for row, key in enumerate(rows["key"])}
    expected = dict(zip(rows["key"], rows["sha256"], strict=True))
    for record, pixels in _records(config, rows):
        if hashes.sha256_of_pixels(pixels) != expected.pop(record.key):
            raise UserError(
                f"{record.key} is not the picture that the manifest was made from. "
                "Its source was built again: clean again."
            )
        crop = crops.crop_of(pixels, record.square_xywh_px, config.face.size)
        yield row_of[record.key], crop
    if expected:
        raise UserError(
            f"{len(expected)} rows of the manifest have no record, first "
            f"{next(iter(expected))!r}. Build their source again, or clean again."
        )


def _faces(rows: pd.DataFrame, found: cache.Crops, split: str) -> Faces:
    places = np.flatnonzero(rows["split"] == split)
    rows = rows.iloc[places]
    targets = np.array([text.split() for text in rows["distribution"]], np.float32)
    return Faces(
        keys=rows["key"].to_numpy(str),
        crops=found.take(places),
        targets=targets.reshape(-1, NUM_CLASSES),
        labels=np.array([INDEX[name] for name in rows["label"]]),
        sources=rows["source"].to_numpy(str),
        groups=rows["group"].to_numpy(str),
        agreed=np.array([agreed(_numbers(text)) for text in rows["votes"]], bool),
    )


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split()]


def batches(
    faces: Faces,
    *,
    spec: FaceSpec,
    augment: AugmentConfig,
    seed: int,
    rows: np.ndarray,
    views: np.ndarray,
    batch_size: int,
    extra: Mapping[str, np.ndarray] | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches of prepared pictures with their targets, in the order of `rows`.

    Args:
        rows: int [m], which pictures.
        views: int [m], which view of each; `PLAIN` is the picture itself.
        extra: further arrays [m, ...] to hand along, by name.

    Returns:
        A dataset of {"image": uint8 [batch, size, size, 3], "target": float32
        [batch, 7], "row": int64 [batch], and what `extra` names}.
    """

    columns = {"row": rows, "view": views, "target": faces.targets[rows]}

    def pixels(row: int, number: int) -> np.ndarray:
        return _pixels(faces, row, number, spec, augment, seed)

    return _batched(
        {**columns, **(extra or {})}, pixels, spec.size, batch_size, drop_remainder
    )


def _batched(
    columns: Mapping[str, np.ndarray],
    pixels: Callable[[int, int], np.ndarray],
    size: int,
    batch_size: int,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches of `columns`, of which "view" becomes "image": `pixels(row, view)`."""

    def stacked(rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        return np.stack([pixels(*both) for both in zip(rows, views, strict=True)])

    def with_pixels(batch: dict) -> dict:
        number = batch.pop("view")
        image = tf.numpy_function(stacked, [batch["row"], number], tf.uint8)
        return {"image": _with_shape(image, batch["row"], size), **batch}

    return (
        tf.data.Dataset.from_tensor_slices(columns)
        .batch(batch_size, drop_remainder=drop_remainder)
        .map(with_pixels, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def _with_shape(image: tf.Tensor, row: tf.Tensor, size: int) -> tf.Tensor:
    image.set_shape([row.shape[0], size, size, 3])
    return image


def _pixels(
    faces: Faces,
    row: int,
    number: int,
    spec: FaceSpec,
    augment: AugmentConfig,
    seed: int,
) -> np.ndarray:
    crop = faces.crops[row]
    if number == PLAIN:
        return prepare(crop.plain, spec)
    return view(
        crop,
        spec=spec,
        augment=augment,
        seed=seed,
        key=str(faces.keys[row]),
        number=int(number),
    )


def plain_batches(faces: Faces, spec: FaceSpec, batch_size: int) -> tf.data.Dataset:
    """Batches of the pictures themselves, in their order: what is evaluated."""
    rows = np.arange(len(faces))
    return batches(
        faces,
        spec=spec,
        augment=AugmentConfig(),
        seed=0,
        rows=rows,
        views=np.full(len(rows), PLAIN),
        batch_size=batch_size,
    )


def ten_crop_batches(faces: Faces, spec: FaceSpec, batch_size: int) -> tf.data.Dataset:
    """Batches of the pictures' ten crops, picture after picture (`ten_crops`).

    Returns:
        A dataset of {"image": uint8 [batch, size, size, 3], "row": int64 [batch]}; a
        picture's crops may be in two batches.
    """
    rows = np.arange(len(faces))
    columns = {
        "row": np.repeat(rows, ten_crops.COUNT),
        "view": np.tile(np.arange(ten_crops.COUNT), len(rows)),
    }

    def pixels(row: int, number: int) -> np.ndarray:
        return ten_crops.ten_crop(faces.crops[row], number, spec)

    return _batched(columns, pixels, spec.size, batch_size)
