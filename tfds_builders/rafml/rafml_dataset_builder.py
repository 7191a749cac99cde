"""RAF-ML: faces with a distribution over six expressions."""

import tensorflow_datasets as tfds

from fer_tf.sources import rafml
from tfds_builders.builder import RecordBuilder


class Builder(RecordBuilder):
    """Reads distributions, partition and aligned faces from the manual folder."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "All faces that have a distribution."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "This folder must hold EmoLabel/ and Image/aligned/. They are given on "
        "request: "
        "http://www.whdeng.cn/RAF/model2.html"
    )
    SOURCE = rafml
