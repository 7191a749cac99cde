"""Small gray copies of frames, and how much of one is found in the next.

A frame's texture is searched in the next frame near its place, and where a camera that
pans or zooms has put it. The measure is the normalized cross-correlation of blocks,
which neither brightness nor contrast changes (Lewis 1995, "Fast Normalized
Cross-Correlation").
"""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

# The longer side of a thumbnail,
SIDE_PX = 80
# which is sampled from a frame of this longer side: averaging all pixels costs more.
SAMPLED_PX = 320
# Blocks of the earlier thumbnail, in a grid that covers it,
BLOCK_PX = 24
GRID_STEP_PX = 16
# are searched in the later one within so many pixels.
REACH_PX = 8
# Where less is found there, a camera may have moved: so far may it have zoomed
FOUND = 0.93
ZOOMS = (0.7, 0.84, 1.0, 1.19, 1.41)
# and shifted the frame beyond its edge, as a fraction of the longer side,
MARGIN = 0.15
# while one of these quarters is still visible: its place, from 0 to 1 along y and x.
QUARTERS = ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))

# Little moves if whole thumbnails correlate so well; they need no closer look.
STILL = 0.95

# Overexposed is what is so near the brightest gray level, also in a darkened video,
OVEREXPOSED = 0.97
# if it is no smaller part of the frame.
MIN_OVEREXPOSED = 0.05
# A flash leaves less than this share of the variance,
MAX_LEFT = 0.4
# and so much of what it overexposes was the brightest part before.
MIN_BRIGHTEST = 0.8


def make_thumbnail(pixels_bgr: np.ndarray) -> np.ndarray:
    """Return a gray float32 thumbnail of a frame, its longer side `SIDE_PX`."""
    sampled = _resize(pixels_bgr, SAMPLED_PX, cv2.INTER_LINEAR)
    gray = cv2.cvtColor(sampled, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return _resize(gray, SIDE_PX, cv2.INTER_AREA)


def _resize(pixels: np.ndarray, side_px: int, how: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    factor = side_px / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return pixels if factor >= 1 else cv2.resize(pixels, size, interpolation=how)


@dataclass(frozen=True)
class Comparison:
    """How much of a frame's texture is found in the next frame, at most 1.

    Attributes:
        mean: Over blocks, weighted by their variance.
        median: The same; it is high if a part of the frame alone has changed.
        still: Little has moved.
    """

    mean: float
    median: float
    still: bool


def compare(before: np.ndarray, after: np.ndarray) -> Comparison:
    """Compare the thumbnails of a frame and of the next one.

    Args:
        before: Gray float32 [height, width].
        after: The same for the next frame.
    """
    before, after = _clip_alike(before, after)
    whole = float(cv2.matchTemplate(after, before, cv2.TM_CCOEFF_NORMED)[0, 0])
    if whole >= STILL:
        return Comparison(whole, whole, True)
    mean, median = _find_blocks(before, after, np.ones_like(before))
    if mean < FOUND:
        moved, visible = _follow_camera(before, after)
        mean, median = max((mean, median), _find_blocks(moved, after, visible))
    return Comparison(mean, median, False)


def could_be_flash(before: np.ndarray, after: np.ndarray) -> bool:
    """Return whether a flash could have made the later thumbnail of the earlier one."""
    overexposed = after >= OVEREXPOSED * after.max()
    share = float(overexposed.mean())
    if share < MIN_OVEREXPOSED:
        return False
    level = float(np.quantile(before, 1 - share))
    if np.minimum(before, level).var() >= MAX_LEFT * before.var():
        return False
    return bool((before[overexposed] >= level).mean() >= MIN_BRIGHTEST)


def _clip_alike(
    before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Overexpose the darker of two thumbnails as much as the other one is."""
    first, second = (
        float(np.mean(one >= OVEREXPOSED * one.max())) for one in (before, after)
    )
    if max(first, second) < MIN_OVEREXPOSED:
        return before, after
    if first < second:
        return np.minimum(before, float(np.quantile(before, 1 - second))), after
    return before, np.minimum(after, float(np.quantile(after, 1 - first)))


def _find_blocks(
    before: np.ndarray, after: np.ndarray, visible: np.ndarray
) -> tuple[float, float]:
    """Return the mean and the median correlation of blocks with their best match.

    Both are weighted by the lower of the variances in either thumbnail, so that what
    covers or uncovers texture, such as a caption, counts little. A block of which a
    part is not `visible` does not count.
    """
    height, width = before.shape
    side = min(BLOCK_PX, height, width)
    weights, scores = [], []
    for y, x in product(_corners(height, side), _corners(width, side)):
        place = slice(y, y + side), slice(x, x + side)
        if visible[place].min() < 0.5:
            continue
        near = after[
            max(0, y - REACH_PX):y + side + REACH_PX,
            max(0, x - REACH_PX):x + side + REACH_PX,
        ]
        found = cv2.matchTemplate(near, before[place], cv2.TM_CCOEFF_NORMED)
        weights.append(min(before[place].var(), after[place].var()))
        scores.append(found.max())
    total = float(np.sum(weights))
    if not total:
        return 0.0, 0.0
    order = np.argsort(scores)
    middle = np.searchsorted(np.cumsum(np.array(weights)[order]), total / 2)
    median = scores[order[min(middle, len(order) - 1)]]
    return float(np.dot(weights, scores)) / total, float(median)


def _corners(length: int, side: int) -> np.ndarray:
    """Return where blocks of a side begin, so that they cover a length."""
    count = 1 + -(-(length - side) // GRID_STEP_PX)
    return np.linspace(0, length - side, count).round().astype(int)


def _follow_camera(
    before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move a thumbnail as a camera that pans and zooms would have.

    Returns:
        The moved thumbnail, and 1.0 where it shows the earlier frame, else 0.0.
    """
    height, width = before.shape
    half = max(2, width // 2), max(2, height // 2)
    small = cv2.resize(before, half, interpolation=cv2.INTER_AREA)
    target = cv2.resize(after, half, interpolation=cv2.INTER_AREA)
    margin = round(MARGIN * max(small.shape))
    target = cv2.copyMakeBorder(target, *[margin] * 4, cv2.BORDER_REPLICATE)
    best, shift = -1.0, (1.0, 1.0, 0.0, 0.0)
    for zoom, quarter in product(ZOOMS, QUARTERS):
        score, found = _place(small, target, zoom, quarter)
        if score > best:
            best, shift = score, found
    zoom_x, zoom_y, x, y = shift
    warp = np.array([[zoom_x, 0, 2 * (x - margin)], [0, zoom_y, 2 * (y - margin)]])
    visible = np.ones_like(before)
    moved, visible = (
        cv2.warpAffine(one, warp, (width, height)) for one in (before, visible)
    )
    return moved, visible


def _place(
    small: np.ndarray, target: np.ndarray, zoom: float, quarter: tuple[float, float]
) -> tuple[float, tuple[float, float, float, float]]:
    """Search a quarter of a zoomed thumbnail; return its score, zooms and shift."""
    height, width = small.shape
    size = max(2, round(width * zoom)), max(2, round(height * zoom))
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    zoomed = cv2.resize(small, size, interpolation=how)
    part_height, part_width = max(1, height // 2), max(1, width // 2)
    top = round(quarter[0] * (zoomed.shape[0] - part_height))
    left = round(quarter[1] * (zoomed.shape[1] - part_width))
    part = zoomed[top:top + part_height, left:left + part_width]
    # A part without texture correlates with anything.
    if part.std() < 0.5 * small.std():
        return -1.0, (1.0, 1.0, 0.0, 0.0)
    _, score, _, (x, y) = cv2.minMaxLoc(
        cv2.matchTemplate(target, part, cv2.TM_CCOEFF_NORMED)
    )
    return score, (size[0] / width, size[1] / height, x - left, y - top)
