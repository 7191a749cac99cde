"""Drawn faces: any number of them, from any seed."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import tensorflow_datasets as tfds

from fer_tf.sources import Record
from fer_tf.sources import drawn
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

    def records(
        self, dl_manager: tfds.download.DownloadManager, split: str
    ) -> Iterator[Record]:
        """Yield the drawn faces of one split."""
        drawing = self.builder_config
        return drawn.records(drawing.count, drawing.seed, split)
