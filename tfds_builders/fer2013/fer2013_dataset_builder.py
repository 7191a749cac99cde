"""FER2013, from the challenge's CSV file."""

import functools
import logging
from collections.abc import Iterator

import tensorflow_datasets as tfds

from fer_tf.sources import Record
from fer_tf.sources import fer2013
from tfds_builders.builder import RecordBuilder

log = logging.getLogger(__name__)


class Builder(RecordBuilder):
    """Reads `fer2013.csv` from the manual folder."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "All 35,887 rows, those without a face among them."}
    FILES = (fer2013.FILE,)
    PUBLISHER = (
        "https://www.kaggle.com/c/challenges-in-representation-learning-"
        "facial-expression-recognition-challenge"
    )
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Put {fer2013.FILE} here; it is at {PUBLISHER}"

    def records(
        self, dl_manager: tfds.download.DownloadManager, split: str
    ) -> Iterator[Record]:
        """Yield the rows of one split; one that cannot be read is logged once."""
        path = dl_manager.manual_dir / fer2013.FILE
        return fer2013.read(path, functools.cache(log.warning), split)
