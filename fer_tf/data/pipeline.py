"""Records, manifest and soft labels joined by key, as `tf.data`."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from fer_tf.config import AugmentConfig
from fer_tf.config import Config
from fer_tf.data import records
from fer_tf.data.augment import view
from fer_tf.errors import UserError
from fer_tf.labels import INDEX
from fer_tf.labels import NUM_CLASSES
from fer_tf.manifest import table
from fer_tf.picture import decode
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import prepare
from fer_tf.sources import SPLITS
from fer_tf.sources import Record

PLAIN = -1


@dataclass(frozen=True)
class Faces:
    """The kept records of one split, decoded once.

    Attributes:
        keys: str [n].
        pictures: n arrays of uint8 [height, width, 3], RGB.
        targets: float32 [n, 7], distributions.
        labels: int64 [n].
        sources: str [n].
        groups: str [n]; duplicates and pictures of one subject share one.
    """

    keys: np.ndarray
    pictures: list[np.ndarray]
    targets: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)


def load(config: Config, manifest: Path) -> dict[str, Faces]:
    """Read the pictures that the manifest keeps, by split.

    Raises:
        UserError: a kept row has no record, or a split that is needed has no row.
    """
    rows = table.read(manifest)
    rows = rows[table.kept(rows)]
    pictures = {
        record.key: pixels for record, pixels in kept_records(config, manifest)
    }
    _check_complete(rows["key"], pictures)
    return {split: _faces(rows[rows["split"] == split], pictures) for split in SPLITS}


def kept_records(
    config: Config, manifest: Path, splits: Sequence[str] = SPLITS
) -> Iterator[tuple[Record, np.ndarray]]:
    """Yield the records of some splits that the manifest keeps, and their pixels.

    The order is that of the records, which has nothing to do with their content: the
    first thousand are as good as any.
    """
    rows = table.read(manifest)
    rows = rows[table.kept(rows) & rows["split"].isin(splits)]
    keys = set(rows["key"])
    for source in sorted(set(rows["source"])):
        folder = records.locate(Path(config.data.data_dir), source, config.data)
        for record in records.read(folder):
            if record.key in keys:
                yield record, decode(record.image)


def _check_complete(keys, pictures: Mapping[str, np.ndarray]) -> None:
    missing = [key for key in keys if key not in pictures]
    if missing:
        raise UserError(
            f"{len(missing)} rows of the manifest have no record, first {missing[0]!r}."
            " Build their source again, or clean again."
        )


def _faces(rows, pictures: Mapping[str, np.ndarray]) -> Faces:
    if not len(rows):
        raise UserError("a split of the manifest is empty: see `fer-tf data stats`.")
    targets = np.array([text.split() for text in rows["distribution"]], np.float32)
    return Faces(
        keys=rows["key"].to_numpy(str),
        pictures=[pictures[key] for key in rows["key"]],
        targets=targets.reshape(-1, NUM_CLASSES),
        labels=np.array([INDEX[name] for name in rows["label"]]),
        sources=rows["source"].to_numpy(str),
        groups=rows["group"].to_numpy(str),
    )


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return a permutation of `count` rows, int64, as a function of (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(count)


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

    def pixels(chosen: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                _pixels(faces, row, number, spec, augment, seed)
                for row, number in zip(chosen, numbers, strict=True)
            ]
        )

    def with_pixels(batch: dict) -> dict:
        number = batch.pop("view")
        image = tf.numpy_function(pixels, [batch["row"], number], tf.uint8)
        return {"image": _with_shape(image, batch["row"], spec.size), **batch}

    columns = {"row": rows, "view": views, "target": faces.targets[rows]}
    return (
        tf.data.Dataset.from_tensor_slices({**columns, **(extra or {})})
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
    picture = faces.pictures[row]
    if number == PLAIN:
        return prepare(picture, spec)
    return view(
        picture,
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
