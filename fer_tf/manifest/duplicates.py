"""Near duplicates: one photograph, re-encoded, resized, cropped, mirrored or lit anew.

Three looks, each at what the one before let through: hashes of 64 bits; the waves
behind them (both in `candidates`); and the details of the pixels, after one picture was
warped onto the other.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from fer_tf.manifest import hashes
from fer_tf.manifest.candidates import candidates
from fer_tf.manifest.sketches import Sketches

# Chosen on planted copies of FER2013's pictures and on its pairs: see benchmarks/.
LEAST_CORRELATION = 0.85
# No crop of a few pixels warps more than this: the change of area, the turn or shear
# of an edge, and the way of the centre, in pixels of a thumbnail.
MOST_AREA, MOST_TURN, MOST_SHIFT_PX = 1.4, 0.08, 2.5
# Details are what this blur takes away, in pixels of a thumbnail. They are measured by
# their own strength in a neighbourhood, above a noise of so many grey levels: the
# outline of a head must not outweigh all that is in the face.
DETAIL_BLUR_PX, NEIGHBOURHOOD_PX, NOISE = 1.5, 3.0, 4.0
# Pixels at the rim of a warped thumbnail are made up, by blur and interpolation.
RIM_PX = 2
LEAST_OVERLAP_PX = 400
PAIRS_AT_ONCE = 4096
ECC_STOPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-4)
ECC_BLUR_PX = 3


def find(sketches: Sketches, pictures: np.ndarray) -> np.ndarray:
    """Return the pairs of pictures that are one photograph, int64 [pairs, 2].

    Args:
        pictures: int64 [n], which sketches; each shows other pixels.

    Returns:
        Numbers of sketches, the smaller first, ordered.
    """
    found = candidates(sketches.waves(pictures))
    mirrored = found[:, 2].astype(bool)
    pairs = pictures[found[:, :2]]
    alike = np.concatenate(
        [np.empty(0, bool), *_look_again(sketches, pairs, mirrored)]
    )
    return np.unique(np.sort(pairs[alike], axis=1), axis=0)


def is_one(first: np.ndarray, second: np.ndarray) -> bool:
    """Tell whether two thumbnails are of one photograph, whichever way round."""
    return (
        similarity(first, second) >= LEAST_CORRELATION
        or similarity(second, first) >= LEAST_CORRELATION
    )


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two thumbnails' details, one warped onto the other.

    The warp is found by maximising the enhanced correlation coefficient (Evangelidis
    and Psarakis 2008, doi:10.1109/TPAMI.2008.113). Persons who look alike in light and
    pose differ in their details; a photograph and its copy do not.

    Args:
        first, second: uint8 [32, 32].

    Returns:
        -1 to 1; 0 where no small warp makes them fit.
    """
    warp = np.eye(2, 3, dtype=np.float32)
    try:
        _, warp = cv2.findTransformECC(
            second, first, warp, cv2.MOTION_AFFINE, ECC_STOPS, None, ECC_BLUR_PX
        )
    except cv2.error:
        # It does not converge: they have nothing in common.
        return 0.0
    if not _is_small(warp):
        return 0.0
    size, flags = first.shape[::-1], cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    warped = cv2.warpAffine(
        first, warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpAffine(np.ones_like(first), warp, size, flags=flags)
    rim = np.ones((2 * RIM_PX + 1,) * 2, np.uint8)
    overlap = cv2.erode(inside, rim, borderValue=0).astype(bool)
    if overlap.sum() < LEAST_OVERLAP_PX:
        return 0.0
    return _correlation(_details(warped)[overlap], _details(second)[overlap])


def representatives(count: int, pairs: np.ndarray) -> np.ndarray:
    """Return for each of `count` pictures the one that stands for it, int64 [count].

    Who has most partners stands for itself and for those that nobody stands for yet.
    So every picture is paired with the one that stands for it: clusters do not grow by
    chaining, where the last has nothing to do with the first.

    Args:
        pairs: int64 [pairs, 2].
    """
    partners: dict[int, list[int]] = {}
    for first, second in pairs.tolist():
        partners.setdefault(first, []).append(second)
        partners.setdefault(second, []).append(first)
    standing = np.arange(count)
    settled = set()
    for picture in sorted(partners, key=lambda each: (-len(partners[each]), each)):
        if picture in settled:
            continue
        free = [other for other in partners[picture] if other not in settled]
        standing[free] = picture
        settled.update(free, [picture])
    return standing


def _look_again(
    sketches: Sketches, pairs: np.ndarray, mirrored: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield bool [at most PAIRS_AT_ONCE]: whether the pixels confirm a pair."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            chunk = slice(start, start + PAIRS_AT_ONCE)
            first, second = (sketches.thumbs(side) for side in pairs[chunk].T)
            flip = mirrored[chunk]
            first[flip] = first[flip, :, ::-1]
            yield np.fromiter(pool.map(is_one, first, second), bool)


def _is_small(warp: np.ndarray) -> bool:
    linear, centre = warp[:, :2], np.full(2, (hashes.THUMB_PX - 1) / 2)
    area = float(np.linalg.det(linear))
    if not 1 / MOST_AREA < area < MOST_AREA:
        return False
    turn = np.abs(linear - np.sqrt(area) * np.eye(2)).max()
    shift = np.abs(linear @ centre + warp[:, 2] - centre).max()
    return bool(turn < MOST_TURN and shift < MOST_SHIFT_PX)


def _details(thumb: np.ndarray) -> np.ndarray:
    values = thumb.astype(np.float32)
    details = values - cv2.GaussianBlur(values, (0, 0), DETAIL_BLUR_PX)
    strength = cv2.GaussianBlur(details**2, (0, 0), NEIGHBOURHOOD_PX)
    return details / (np.sqrt(strength) + NOISE)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    length = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / length if length else 0.0
