"""RAF-DB, compound: eleven blends of two expressions."""

import tensorflow_datasets as tfds

from fer_tf.sources import rafdb_compound
from tfds_builders.builder import RecordBuilder


class Builder(RecordBuilder):
    """Reads the publisher's labels and aligned faces from the manual folder."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {
        "1.0.0": "The compound set, each blend taken for its leading expression."
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "EmoLabel/ and Image/aligned/ of the compound set must be in this folder, in "
        "compound/ in it, or in rafdb/compound/ beside it. They are given on request: "
        "http://www.whdeng.cn/raf/model1.html"
    )
    SOURCE = rafdb_compound
