"""What every builder shares: the features of a record, and a record as an example."""

import abc
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_tf import labels
from fer_tf.sources import SPLITS
from fer_tf.sources import Record

NO_LABEL = -1

Track = Callable[[Iterator[Record], str], Iterator[Record]]


def untracked(records: Iterator[Record], doing: str) -> Iterator[Record]:
    """Return `records`: a `Track` shows that they pass by, this one does not."""
    return records


class RecordBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A corpus that is an iterator of records; a subclass says where they come from.

    Attributes:
        FILES: what must lie in the corpus' raw folder.
        PUBLISHER: where these files come from.
        track: what the records are passed through on their way to the file.
    """

    FILES: tuple[str, ...] = ()
    PUBLISHER = ""
    track: Track = staticmethod(untracked)

    @abc.abstractmethod
    def records(
        self, dl_manager: tfds.download.DownloadManager, split: str
    ) -> Iterator[Record]:
        """Yield the corpus' records of one split."""

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=features(), supervised_keys=("image", "label")
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Any]:
        return {
            split: self._generate_examples(
                self.track(self.records(dl_manager, split), f"{self.name}: {split}")
            )
            for split in SPLITS
        }

    def _generate_examples(
        self, records: Iterator[Record]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for record in records:
            yield record.key, example(record)


def features() -> tfds.features.FeaturesDict:
    """Return the features of a record, as `fer_tf.data.records` reads them.

    `label` is -1, which TFDS takes for no label, where the publisher's is none of
    ours. The split is TFDS' own.
    """
    return tfds.features.FeaturesDict(
        {
            "key": tfds.features.Text(),
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=labels.CLASSES),
            "label_original": tfds.features.Text(),
            "distribution": tfds.features.Tensor(
                shape=(labels.NUM_CLASSES,), dtype=np.float32
            ),
            "votes": tfds.features.Sequence(np.int64),
            "subject": tfds.features.Text(),
            "photo": tfds.features.Text(),
            "box_xywh_px": tfds.features.Sequence(np.float32),
            "square_xywh_px": tfds.features.Sequence(np.float32),
        }
    )


def example(record: Record) -> dict[str, Any]:
    """Return a record as `features` takes it, its picture's bytes untouched."""
    return {
        "key": record.key,
        "image": record.image,
        "label": labels.INDEX.get(record.label, NO_LABEL),
        "label_original": record.label_original,
        "distribution": record.distribution,
        "votes": record.votes,
        "subject": record.subject,
        "photo": record.photo,
        "box_xywh_px": record.box_xywh_px,
        "square_xywh_px": record.square_xywh_px,
    }
