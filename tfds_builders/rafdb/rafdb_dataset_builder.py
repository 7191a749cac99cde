"""RAF-DB, basic: seven expressions on aligned faces."""

import tensorflow_datasets as tfds

from fer_tf.sources import rafdb
from tfds_builders.builder import RecordBuilder


class Builder(RecordBuilder):
    """Reads the publisher's labels and aligned faces from the manual folder."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {
        "1.0.0": "The basic set: 12,271 faces for training and 3,068 for the test."
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "This folder or basic/ in it must hold EmoLabel/ and Image/aligned/; or the "
        "folder must hold train/ and test/ with a folder for each class. They are "
        "given on request: http://www.whdeng.cn/raf/model1.html"
    )
    SOURCE = rafdb
