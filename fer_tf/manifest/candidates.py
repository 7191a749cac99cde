"""Which pictures may be one photograph, by 64 bits and by 64 numbers of each."""

import itertools
import os
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fer_tf.manifest import hashes

# Chosen on planted copies of FER2013's pictures and on its pairs: see benchmarks/.
MOST_LIGHT_APART = 0.06
MOST_BITS_APART = 12
LEAST_SHARE = 0.9
ROWS_AT_ONCE, COLUMNS_AT_ONCE = 64, 4096
PAIRS_AT_ONCE = 4096
WHOLE, INNER = 0, 1
SPAN_SCALE = 127
# The wave from top to bottom, which is the same in a mirror.
LIGHT = int(np.flatnonzero((hashes.FREQUENCIES == (1, 0)).all(axis=1))[0])
PRIOR_PICTURES = 50


def candidates(waves: np.ndarray) -> np.ndarray:
    """Return the pairs of pictures that may be one photograph, int64 [pairs, 3].

    First by light: pictures are sorted by their wave from top to bottom, and held
    against their neighbours alone. Then by hashes: the signs of the waves, once what
    all the pictures have in common is taken away, differ in few of 64 bits. Then by
    the waves themselves: most of one picture's lies in what the other's can become if
    it is framed a little otherwise. The second picture, mirrored or not, is held whole
    against all of the first and against its inner part, so that either may be a crop
    of the other.

    Args:
        waves: int8 [n, 5, 64], as `Sketches.waves` returns them.

    Returns:
        first, second (the smaller number first), and 1 where one is to be mirrored.
    """
    if len(waves) < 2:
        return np.empty((0, 3), np.int64)
    count, looks = len(waves), _Looks(waves)
    # It has them sorted; of half a million pictures a second copy is 150 MB.
    del waves
    blocks = [
        (part, mirrored, start)
        for part, mirrored in itertools.product((WHOLE, INNER), (False, True))
        for start in range(0, count, ROWS_AT_ONCE)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        near = pool.map(lambda block: looks.near(*block), blocks)
        return np.unique(np.concatenate(list(near)), axis=0)


class _Looks:
    """All pictures' waves, sorted by light and whitened."""

    def __init__(self, waves: np.ndarray) -> None:
        self.mean, self.spread = _statistics(waves[:, WHOLE])
        light = _by_parts(
            waves, lambda part: self.white(part[:, WHOLE])[:, LIGHT].copy()
        )
        self.order = np.argsort(light, kind="stable")
        self.light, self.waves = light[self.order], waves[self.order]
        self.bits = self.hashed(self.waves[:, WHOLE])
        self.spans = _by_parts(
            self.waves,
            lambda part: np.round(SPAN_SCALE * self.spanned(part)).astype(np.int8),
        )

    def white(self, waves: np.ndarray) -> np.ndarray:
        """Return waves [..., 64] as unit vectors, the mean and the spread taken out."""
        found = (waves - self.mean) / self.spread
        length = np.linalg.norm(found, axis=-1, keepdims=True)
        return found / np.maximum(length, 1e-6)

    def hashed(self, waves: np.ndarray) -> np.ndarray:
        """Return waves [m, 64] as uint64 [m]."""
        return np.packbits(waves > self.mean, axis=1).view(np.uint64)[:, 0]

    def spanned(self, waves: np.ndarray) -> np.ndarray:
        """Return an orthonormal base of what pictures can become, [m, 4, 64]."""
        whole, tangents = waves[:, WHOLE], waves[:, INNER + 1 :]
        base = np.concatenate(
            [self.white(whole)[:, None], tangents / self.spread], axis=1
        )
        return np.linalg.qr(base.transpose(0, 2, 1))[0].transpose(0, 2, 1)

    def near(self, part: int, mirrored: bool, start: int) -> np.ndarray:
        """Return the candidates whose first picture is in the block from `start` on."""
        asked = self.waves[start : start + ROWS_AT_ONCE]
        asked = asked * hashes.MIRRORED if mirrored else asked
        spans, whites = self.spanned(asked), self.white(asked[:, :2])
        light = whites[:, part, LIGHT]
        near = self._near_hashes(self.hashed(asked[:, part]), light, part, start)
        found = [np.empty((0, 3), np.int64)]
        for rows in _slices(len(near), PAIRS_AT_ONCE):
            pairs = near[rows]
            row, second = pairs.T
            alike = (self._shares(spans[row], second) >= LEAST_SHARE) | (
                _shares(self.spans[second] / SPAN_SCALE, whites[row]) >= LEAST_SHARE
            )
            pairs = np.sort(self.order[pairs[alike] + (start, 0)], axis=1)
            found.append(np.column_stack([pairs, np.full(len(pairs), int(mirrored))]))
        return np.concatenate(found)

    def _shares(self, spans: np.ndarray, second: np.ndarray) -> np.ndarray:
        return _shares(spans, self.white(self.waves[second, :2]))

    def _near_hashes(
        self, asked: np.ndarray, light: np.ndarray, part: int, start: int
    ) -> np.ndarray:
        """Return pairs (row of `asked`, picture) of near hashes, int64 [pairs, 2]."""
        ends = light.min() - MOST_LIGHT_APART, light.max() + MOST_LIGHT_APART
        first, last = np.searchsorted(self.light, ends)
        # A pair of whole pictures is the same both ways round.
        first = first if part == INNER else start
        found = [np.empty((0, 2), np.int64)]
        for at in range(first, last, COLUMNS_AT_ONCE):
            columns = self.bits[at : min(at + COLUMNS_AT_ONCE, last)]
            apart = np.bitwise_count(asked[:, None] ^ columns[None])
            # In a flat array NumPy finds the few hits ten times as fast.
            hits = np.flatnonzero((apart <= MOST_BITS_APART).ravel())
            found.append(np.stack(np.divmod(hits, len(columns)), axis=1) + (0, at))
        row, second = np.concatenate(found).T
        apart = np.abs(light[row] - self.light[second])
        wanted = (apart <= MOST_LIGHT_APART) & (row + start != second)
        return np.stack([row[wanted], second[wanted]], axis=1)


def _statistics(waves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation [64] of int8 waves [n, 64], mirrored or not.

    A few pictures tell little: as many more are made up as PRIOR_PICTURES says, whose
    waves fall with their frequency, as any photograph's do.
    """
    fall = 1 / np.linalg.norm(hashes.FREQUENCIES, axis=1)
    squares = np.einsum("ij,ij->j", waves, waves, dtype=np.float64)
    prior = (fall / np.linalg.norm(fall)) ** 2 * squares.sum() / len(waves)
    count = len(waves) + PRIOR_PICTURES
    # What is odd from left to right, a picture and its mirror image cancel.
    mean = waves.sum(axis=0) / count * (hashes.MIRRORED > 0)
    square = (squares + PRIOR_PICTURES * prior) / count
    spread = np.sqrt(square - mean**2)
    return mean.astype(np.float32), spread.astype(np.float32)


def _by_parts(
    waves: np.ndarray, of: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return `of(waves)`, made from a few pictures at a time."""
    parts = _slices(len(waves), PAIRS_AT_ONCE)
    return np.concatenate([of(waves[rows]) for rows in parts])


def _shares(spans: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the largest share of [m, 2, 64] unit vectors in spans [m, 4, 64], [m]."""
    inside = np.matmul(vectors, spans.transpose(0, 2, 1))
    return (inside**2).sum(axis=2).max(axis=1)


def _slices(count: int, length: int) -> Iterator[slice]:
    for start in range(0, count, length):
        yield slice(start, start + length)
