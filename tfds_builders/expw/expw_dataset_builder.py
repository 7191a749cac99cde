"""ExpW: faces in photographs from the web."""

import tensorflow_datasets as tfds

from fer_tf.sources import expw
from tfds_builders.builder import RecordBuilder


class Builder(RecordBuilder):
    """Reads the list and the photographs from the manual folder."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "All 91,793 faces, cropped once, with slack."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "This folder must hold label.lst and origin/ (or image/origin/). They are "
        "given on request: "
        "http://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html"
    )
    SOURCE = expw
