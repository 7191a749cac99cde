"""Anybody's own pictures, a config for each name."""

import functools
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds

from fer_tf.sources import pictures
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import Skipped
from tfds_builders.builder import RecordBuilder


@functools.cache
def config(name: str) -> tfds.core.BuilderConfig | None:
    """Return the config for the pictures called `name`; None where that is no name.

    One object for one name: TFDS takes two for a clash.
    """
    if not pictures.OWN_NAME.fullmatch(name):
        return None
    return tfds.core.BuilderConfig(name=name)


class Builder(RecordBuilder):
    """Reads `labels.csv` or folders of classes. Configs are named as the pictures."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The pictures as they are laid out."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "This folder must hold labels.csv and images/, or a folder for each class."
    )
    BUILDER_CONFIGS = [config(pictures.NAME)]
    SOURCE = pictures

    @classmethod
    def get_builder_config(
        cls, name: str, version: str | tfds.core.Version | None = None
    ) -> tfds.core.BuilderConfig | None:
        """Return the config called `name`, any that may be a name of one's own."""
        return config(name) or super().get_builder_config(name, version)

    @property
    def corpus(self) -> str:
        """The pictures' own name."""
        return self.builder_config.name

    def entries(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Iterator[Entry | Skipped]:
        """Yield the pictures or rows, those of all splits."""
        return pictures.entries(Path(dl_manager.manual_dir), self.corpus)
