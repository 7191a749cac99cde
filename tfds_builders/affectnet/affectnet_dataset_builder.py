"""AffectNet, in any of the three forms that are passed round."""

import tensorflow_datasets as tfds

from fer_tf.sources import affectnet
from tfds_builders.builder import RecordBuilder


class Builder(RecordBuilder):
    """Reads annotations, lists or folders of classes from the manual folder."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {
        "1.0.0": "All that was labelled by hand, what is none of the seven classes too."
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "This folder must hold train_set/ and val_set/, or training.csv, "
        "validation.csv and Manually_Annotated_Images/, or train/ and val/ with a "
        "folder for each class. They are given on request: "
        "http://mohammadmahoor.com/affectnet/"
    )
    SOURCE = affectnet
