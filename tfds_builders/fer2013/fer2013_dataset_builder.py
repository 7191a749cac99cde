"""FER2013, from the challenge's CSV file or Kaggle's folders."""

import tensorflow_datasets as tfds

from fer_tf.sources import fer2013
from tfds_builders.builder import RecordBuilder


class Builder(RecordBuilder):
    """Reads `fer2013.csv`, or `train/` and `test/`, from the manual folder."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "All 35,887 rows, those without a face among them."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "This folder must hold fer2013.csv or icml_face_data.csv, or else train/ and "
        "test/ with a folder for each class; see "
        "https://www.kaggle.com/c/challenges-in-representation-learning-"
        "facial-expression-recognition-challenge"
    )
    SOURCE = fer2013
