"""What every builder shares: from entries to examples, and the count of rejects."""

import json
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Protocol

import numpy as np
import tensorflow_datasets as tfds

from fer_tf import labels
from fer_tf.data.records import REJECTS_FILE
from fer_tf.errors import UserError
from fer_tf.sources import Record
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import Skipped
from fer_tf.sources.entry import records
from fer_tf.sources.entry import splits
from fer_tf.sources.rejects import Rejects

NO_LABEL = -1

Track = Callable[[Iterator[Record], str], Iterator[Record]]


class Source(Protocol):
    """What a builder needs of a corpus' module in `fer_tf.sources`."""

    def find(self, folder: Path) -> Path:
        """Return the folder with the corpus' files; UserError where any is missing."""

    def entries(self, root: Path) -> Iterator[Entry | Skipped]:
        """Yield the corpus' rows."""

    def layout(self, root: Path) -> str:
        """Return which of the corpus' layouts was recognized."""


def untracked(records: Iterator[Record], doing: str) -> Iterator[Record]:
    """Return `records`: a `Track` shows that they pass by, this one does not."""
    return records


class RecordBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A corpus whose records a module of `fer_tf.sources` reads.

    Beside the records it writes what could not be read, `fer_tf.data.records.rejects`.

    Attributes:
        SOURCE: the module.
        track: what the records are passed through on their way to the file.
    """

    SOURCE: Source
    track: Track = staticmethod(untracked)

    @classmethod
    def find(cls, folder: Path) -> Path:
        """Return the folder that is to be the manual one, `folder` or one near it.

        Raises:
            UserError: something is missing; it says what, where, and how to get it.
        """
        try:
            return cls.SOURCE.find(folder)
        except UserError as error:
            raise UserError(f"{error} {cls.MANUAL_DOWNLOAD_INSTRUCTIONS}") from None

    @property
    def corpus(self) -> str:
        """The corpus' name, which its records' keys begin with."""
        return self.name

    def entries(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Iterator[Entry | Skipped]:
        """Yield the corpus' rows, those of all splits."""
        return self.SOURCE.entries(Path(dl_manager.manual_dir))

    def layout(self, dl_manager: tfds.download.DownloadManager) -> str:
        """Return which of the corpus' layouts was recognized."""
        return self.SOURCE.layout(Path(dl_manager.manual_dir))

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=features(), supervised_keys=("image", "label")
        )

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> None:
        self._rejects = Rejects(self.corpus)
        super()._download_and_prepare(dl_manager, download_config)
        self._rejects.check()
        self._rejects.layout = self.layout(dl_manager)
        self._rejects.log_report()
        # TFDS gives the folder its name when all is in it, this file too.
        text = json.dumps(self._rejects.to_dict(), indent=2) + "\n"
        (self.data_path / REJECTS_FILE).write_text(text)

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Any]:
        found = splits(self.entries(dl_manager))
        if not found:
            raise UserError(f"{self.corpus} has no pictures and no rows at all.")
        return {
            split: self._generate_examples(dl_manager, split) for split in found
        }

    def _generate_examples(
        self, dl_manager: tfds.download.DownloadManager, split: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        read = records(self.entries(dl_manager), self._rejects, split)
        empty = True
        for record in self.track(read, f"{self.corpus}: {split}"):
            empty = False
            yield record.key, example(record)
        if empty:
            self._rejects.check()
            raise UserError(
                f"nothing in the split {split} of {self.corpus} can be read, as the "
                "warnings say row by row. Correct these rows or take them away."
            )


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
