"""What a stage is trained on: every epoch's pictures, views, targets and answers."""

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from fer_tf.config import Config
from fer_tf.config import TrainConfig
from fer_tf.data import mixing
from fer_tf.data import pipeline
from fer_tf.data import sampling
from fer_tf.data.pipeline import Faces
from fer_tf.fusion import SoftLabels
from fer_tf.labels import NUM_CLASSES


@dataclass(frozen=True)
class Share:
    """One of `count` equal parts of every batch, for one of as many replicas' hosts.

    It comes in `pieces`, a batch for each of the host's replicas in turn.
    """

    index: int = 0
    count: int = 1
    pieces: int = 1

    def rows_of(self, rows: np.ndarray, batch_size: int) -> np.ndarray:
        """Return this share of rows [steps * batch_size], in their order."""
        steps = len(rows) // batch_size
        parts = rows[: steps * batch_size].reshape(
            steps, self.count, batch_size // self.count
        )
        return parts[:, self.index].ravel()


WHOLE = Share()


@dataclass(frozen=True)
class Epochs:
    """The training data: `of(epoch, first_step, share)` is a dataset of batches.

    It is the epoch from its step `first_step` on, bit for bit; an epoch has `steps`,
    of `batch_size` pictures each.
    `key_of(rows)` are the keys of pictures, by the "row" that batches have.
    """

    of: Callable[..., tf.data.Dataset]
    steps: int
    batch_size: int
    key_of: Callable[[np.ndarray], Iterable[str]]


# No teacher is trained for so long that it has seen this view, or a later one.
FIRST_LIVE_VIEW = 1 << 30


def labelled(
    config: Config, faces: Faces, train: TrainConfig, first_view: int | None = None
) -> Epochs:
    """Return pictures and their labels, with a new view of every picture each epoch.

    Args:
        first_view: the lowest; None is the first that soft labels are not made of.
    """
    # The first views are kept for the soft labels: a teacher that had been trained on
    # them would answer more surely than it does on any other picture.
    if first_view is None:
        first_view = config.soft_labels.views

    # No view comes twice, not even of a picture that an epoch shows several times.
    def number(rows: np.ndarray, times: np.ndarray, epoch: int) -> np.ndarray:
        return first_view + times * train.epochs + epoch

    return _epochs(config, faces, train, config.seed, number)


def taught(
    config: Config, faces: Faces, train: TrainConfig, path: Path
) -> Epochs:
    """Return the views that soft labels were made of, each with its soft label.

    Args:
        path: the soft labels.

    Raises:
        UserError: a picture has none.
    """
    soft_labels = SoftLabels.load(path)
    of_row = soft_labels.lookup(faces.keys)
    count = soft_labels.log_probs.shape[1]

    # Spread over the views in every epoch, all of them seen after `count` epochs.
    def number(rows: np.ndarray, times: np.ndarray, epoch: int) -> np.ndarray:
        return (rows + times + epoch) % count

    def extra(rows: np.ndarray, views: np.ndarray) -> dict[str, np.ndarray]:
        return {"soft_label": soft_labels.log_probs[of_row[rows], views]}

    return _epochs(config, faces, train, soft_labels.view_seed, number, extra)


def _epochs(
    config: Config,
    faces: Faces,
    train: TrainConfig,
    view_seed: int,
    number: Callable[[np.ndarray, np.ndarray, int], np.ndarray],
    extra: Callable[..., dict[str, np.ndarray]] | None = None,
) -> Epochs:
    """Return a stage's training data.

    Args:
        view_seed: the seed of the views; that of the order and of mixing is the
            recipe's.
        number: rows, how often each has come before in the epoch, and the epoch, to
            the view of each.
        extra: rows and views, to further columns.
    """
    batch_size = min(train.batch_size, len(faces))

    def of(
        epoch: int, first_step: int = 0, share: Share = WHOLE
    ) -> tf.data.Dataset:
        rows = _rows(config, faces, train, epoch)
        views = number(rows, sampling.occurrences(rows), epoch)
        passed = np.float32(epoch + np.arange(len(rows)) / len(rows))
        rows, views, passed = (
            share.rows_of(each[first_step * batch_size :], batch_size)
            for each in (rows, views, passed)
        )
        data = pipeline.batches(
            faces,
            spec=pipeline.face_spec(config),
            augment=config.augment,
            seed=view_seed,
            rows=rows,
            views=views,
            batch_size=batch_size // (share.count * share.pieces),
            extra={
                "epochs_passed": passed,
                **(extra(rows, views) if extra else {}),
            },
            drop_remainder=True,
        )
        return mixing.mixed(
            data,
            train,
            seed=(config.seed, epoch, share.index),
            first_step=first_step * share.pieces,
        )

    steps = len(faces) // batch_size
    return Epochs(of, steps, batch_size, lambda rows: faces.keys[rows].tolist())


def _rows(config: Config, faces: Faces, train: TrainConfig, epoch: int) -> np.ndarray:
    return sampling.epoch_rows(
        seed=config.seed,
        epoch=epoch,
        labels=faces.labels,
        sources=faces.sources,
        sampling=train.sampling,
        weights=source_weights(config),
    )


def class_counts(config: Config, faces: Faces, train: TrainConfig) -> tuple[int, ...]:
    """Return how often an epoch shows each class: source weights change that."""
    labels = faces.labels[_rows(config, faces, train, epoch=0)]
    return tuple(np.bincount(labels, minlength=NUM_CLASSES).tolist())


def source_weights(config: Config) -> dict[str, float]:
    """Return how often each source is drawn, by its name; {} for as it comes."""
    weights = config.data.source_weights
    return dict(zip(config.data.sources, weights, strict=True)) if weights else {}
