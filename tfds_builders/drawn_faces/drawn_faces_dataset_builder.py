"""Drawn faces: any number of them, from any seed."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tensorflow_datasets as tfds

from fer_tf.sources import drawn
from fer_tf.sources.entry import Entry
from tfds_builders.builder import RecordBuilder


@dataclass(eq=False, kw_only=True)
class DrawnConfig(tfds.core.BuilderConfig):
    """How many faces are drawn, and from which seed."""

    count: int
    seed: int


@functools.cache
def config(name: str) -> DrawnConfig | None:
    """Return the config that `name` (`n3000_seed0`) describes; None if it does not.

    One object for one name: TFDS takes two for a clash.
    """
    match = drawn.CONFIG_NAME.fullmatch(name)
    if not match:
        return None
    return DrawnConfig(name=name, count=int(match[1]), seed=int(match[2]))


class Builder(RecordBuilder):
    """Draws its pictures; needs no files. Configs are named `n3000_seed0`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first drawings."}
    BUILDER_CONFIGS = [config("n3000_seed0")]

    @classmethod
    def get_builder_config(
        cls, name: str, version: str | tfds.core.Version | None = None
    ) -> tfds.core.BuilderConfig | None:
        """Return the config called `name`, for any count and seed."""
        return config(name) or super().get_builder_config(name, version)

    @classmethod
    def find(cls, folder: Path) -> Path:
        """Return `folder`, which is not looked into."""
        return folder

    def entries(self, dl_manager: tfds.download.DownloadManager) -> Iterator[Entry]:
        """Yield the faces, those of all splits, not yet drawn."""
        return drawn.entries(self.builder_config.count, self.builder_config.seed)

    def layout(self, dl_manager: tfds.download.DownloadManager) -> str:
        """Return what is drawn, for the build's report."""
        return f"drawn from seed {self.builder_config.seed}"
