"""The search for near duplicates alone, on as many pictures as the largest corpora.

    python benchmarks/duplicate_search.py [--records data/records/fer2013/1.0.0]

The waves of so many pictures are made from those of real ones: the records in a folder,
or else drawn faces. Each made one is a real one, to which a random direction
is added, half as long as it, so that it is like faces and like no other. What is timed
is all against all by hashes, and by waves where hashes are near; no pixels.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from fer_tf import picture
from fer_tf import quiet
from fer_tf.manifest import hashes
from fer_tf.manifest.candidates import candidates
from fer_tf.manifest.sketches import Sketches
from fer_tf.sources import drawn

# FER2013, FERPlus, RAF-DB, AffectNet and ExpW together.
COUNT = 466_284
SAMPLE = 20_000
OF_ITS_OWN = 0.5


def main() -> None:
    """Print the time."""
    options = _options()
    waves = made(real_waves(options), options.count)
    started = time.monotonic()
    pairs = candidates(waves)
    minutes = (time.monotonic() - started) / 60
    print(f"{options.count:,} pictures: {minutes:.1f} minutes, {len(pairs):,} pairs")


def real_waves(options: argparse.Namespace) -> np.ndarray:
    """Return the waves of real pictures, int8 [at most SAMPLE, 5, 64]."""
    with Sketches() as sketches:
        for pixels in islice(_pictures(options), SAMPLE):
            sketches.add(pixels)
        return sketches.waves(np.arange(len(sketches)))


def made(waves: np.ndarray, count: int) -> np.ndarray:
    """Return the waves of `count` made pictures, int8 [count, 5, 64]."""
    rng = np.random.default_rng(0)
    spread = waves[:, 0].astype(np.float32).std(axis=0)
    many = np.empty((count, *waves.shape[1:]), np.int8)
    for start in range(0, count, SAMPLE):
        chosen = waves[rng.integers(0, len(waves), min(SAMPLE, count - start))]
        own = rng.normal(size=(len(chosen), hashes.BITS)) * spread
        changed = chosen.astype(np.float32)
        changed[:, :2] += OF_ITS_OWN * own[:, None]
        many[start : start + len(chosen)] = np.clip(np.round(changed), -127, 127)
    return many


def _pictures(options: argparse.Namespace) -> Iterator[np.ndarray]:
    if options.records is None:
        for record in drawn.records(SAMPLE // 4, seed=1):
            yield picture.decode(record.image)
        return
    quiet.import_tensorflow()
    from fer_tf.data import records

    for record in records.read(options.records):
        yield picture.decode(record.image)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=Path)
    parser.add_argument("--count", type=int, default=COUNT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
