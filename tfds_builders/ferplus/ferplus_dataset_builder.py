"""FERPlus: FER2013's pictures with ten crowd votes each."""

import tensorflow_datasets as tfds

from fer_tf.sources import ferplus
from tfds_builders.builder import RecordBuilder


class Builder(RecordBuilder):
    """Reads `fer2013new.csv` and `fer2013.csv` from the manual folder or beside it."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "All 35,887 rows, those without a face among them."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "This folder must hold fer2013new.csv, which is at "
        "https://github.com/microsoft/FERPlus, and fer2013.csv must be in it or in the "
        "folder fer2013 beside it; see "
        "https://www.kaggle.com/c/challenges-in-representation-learning-"
        "facial-expression-recognition-challenge"
    )
    SOURCE = ferplus
