"""Scene cuts of a video, for the live view: where all tracks end.

A frame belongs to the scene of the frame before it when the texture of that frame is
found in it again, near its place or where a moving or zooming camera has put it. The
measure is the normalized cross-correlation of blocks, which neither brightness nor
contrast changes (Lewis 1995, "Fast Normalized Cross-Correlation").
"""

from collections import deque
from itertools import product

import cv2
import numpy as np

from fer_tf.live.frames import Frame

# Frames are compared as gray thumbnails whose longer side is this,
SIDE_PX = 80
# which are sampled from frames of this longer side: averaging all pixels costs more.
SAMPLED_PX = 320
# Blocks of the earlier thumbnail, in a grid that covers it,
BLOCK_PX = 24
GRID_STEP_PX = 16
# are searched in the later one within so many pixels.
REACH_PX = 8
# Zooms that are tried for the camera, and how far it may leave the frame, as a
# fraction of the thumbnail.
ZOOMS = (0.7, 0.84, 1.0, 1.19, 1.41)
MARGIN = 0.15
# Quarters that may still be visible after the camera has moved.
QUARTERS = ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))

# Frames are alike from this similarity on. If whole thumbnails correlate so well, they
# are also still: little moves;
ALIKE = 0.9
STILL = 0.95
# and if so well, they need no closer look.
SAME = 0.98
# Overexposed is what is so near the brightest gray level, also in a darkened video.
OVEREXPOSED = 0.97
# A flash leaves less than this share of a frame's variance, for no longer than this,
MIN_LEFT = 0.4
MAX_FLASH_MS = 250.0
# and so much of what it overexposes was the brightest part before.
MIN_BRIGHTEST = 0.8
# A frame whose gray levels have a lower standard deviation shows nothing.
MIN_CONTRAST = 0.5

# A similarity below this is a cut, if it is lower by so much than the one before:
# frames of which none resembles the one before are no scenes.
MIN_SIMILARITY = 0.58
MIN_DROP = 0.1
# After frames that were alike one below this is a cut.
MIN_AFTER_ALIKE = 0.7
# One below this, between two still scenes, is a cut as well, but can only be told from
# the beginning of a motion by the frame after it.
MIN_BETWEEN_STILL = 0.92
# How many frames tell whether a scene is still.
HISTORY = 3
# After a longer gap, in frames, a step says nothing: the scene has moved on.
MAX_GAP = 1.5


class SceneCuts:
    """Finds the cuts of a video, frame by frame, without looking ahead.

    Most cuts are found at their first frame. One between scenes that look alike is
    found at its second, because the first may as well be the beginning of a motion.
    Flashes and frames without contrast are skipped: the next frame is compared with the
    last one that shows something.
    """

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._thumbnail: np.ndarray | None = None
        # Of the frames of this scene, each with the one before.
        self._similarities: deque[float] = deque(maxlen=HISTORY)
        self._still: deque[bool] = deque(maxlen=HISTORY)
        self._time_ms = 0.0
        self._interval_ms = 0.0
        self._may_step = False

    def is_cut(self, frame: Frame) -> bool:
        """Return whether a frame is the first of its scene, or the second.

        The first frame of a source is no cut. A frame of another size is one, since
        boxes of the frames before mean nothing in it.
        """
        resized = self._shape not in ((), frame.pixels_bgr.shape)
        self._shape = frame.pixels_bgr.shape
        before = None if resized else self._thumbnail
        thumbnail = make_thumbnail(frame.pixels_bgr)
        if before is None:
            self._thumbnail = thumbnail
            self._begin(frame)
            return resized
        may_flash = frame.time_ms - self._time_ms <= MAX_FLASH_MS
        if thumbnail.std() < MIN_CONTRAST or may_flash and _bleached(before, thumbnail):
            return False
        self._thumbnail = thumbnail
        cut = self._judge(*compare(before, thumbnail), frame.time_ms)
        if cut:
            self._begin(frame)
        return cut

    def _begin(self, frame: Frame) -> None:
        self._similarities.clear()
        self._still.clear()
        self._time_ms = frame.time_ms
        self._may_step = False

    def _judge(self, similarity: float, still: bool, time_ms: float) -> bool:
        elapsed_ms = time_ms - self._time_ms
        gap = elapsed_ms > MAX_GAP * self._interval_ms > 0
        self._time_ms, self._interval_ms = time_ms, elapsed_ms
        known = len(self._still) == HISTORY
        alike = known and min(self._similarities) >= ALIKE
        drop = self._similarities[-1] - similarity if self._similarities else 0.0
        least = MIN_AFTER_ALIKE if alike else MIN_SIMILARITY
        if (similarity < least and drop > MIN_DROP) or (self._may_step and still):
            return True
        was_still = known and all(self._still)
        self._may_step = was_still and not gap and similarity < MIN_BETWEEN_STILL
        self._similarities.append(similarity)
        self._still.append(still)
        return False


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


def compare(before: np.ndarray, after: np.ndarray) -> tuple[float, bool]:
    """Compare the thumbnails of a frame and of the next one.

    Args:
        before: Gray float32 [height, width].
        after: The same for the next frame.

    Returns:
        How much of the first one's texture is found in the second, at most 1, and
        whether little has moved.
    """
    before, after = _clip_alike(before, after)
    whole = float(cv2.matchTemplate(after, before, cv2.TM_CCOEFF_NORMED)[0, 0])
    if whole >= SAME:
        return whole, True
    found = _found_blocks(before, after, np.ones_like(before))
    if found < MIN_BETWEEN_STILL:
        found = max(found, _found_blocks(*_follow_camera(before, after)))
    return found, whole >= STILL and found >= ALIKE


def _bleached(before: np.ndarray, after: np.ndarray) -> bool:
    """Return whether a flash could have made the later thumbnail of the earlier one."""
    clipped, _ = _clip_alike(before, after)
    if clipped.var() >= MIN_LEFT * before.var():
        return False
    brightest = before[after >= OVEREXPOSED * after.max()] >= clipped.max()
    return bool(brightest.mean() >= MIN_BRIGHTEST)


def _clip_alike(
    before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Overexpose the darker of two thumbnails as much as the other one is."""
    shares = [np.mean(one >= OVEREXPOSED * one.max()) for one in (before, after)]
    if shares[1] > shares[0]:
        return np.minimum(before, float(np.quantile(before, 1 - shares[1]))), after
    if shares[0] > shares[1]:
        return before, np.minimum(after, float(np.quantile(after, 1 - shares[0])))
    return before, after


def _found_blocks(before: np.ndarray, after: np.ndarray, visible: np.ndarray) -> float:
    """Return the mean correlation of blocks with their best match, by their variance.

    A block of which a part is not `visible` does not count.
    """
    found, total = 0.0, 0.0
    height, width = before.shape
    side = min(BLOCK_PX, height, width)
    for y, x in product(_corners(height, side), _corners(width, side)):
        block = before[y:y + side, x:x + side]
        if visible[y:y + side, x:x + side].min() < 0.5:
            continue
        near = after[
            max(0, y - REACH_PX):y + side + REACH_PX,
            max(0, x - REACH_PX):x + side + REACH_PX,
        ]
        variance = float(block.var())
        best = cv2.matchTemplate(near, block, cv2.TM_CCOEFF_NORMED).max()
        found += variance * float(best)
        total += variance
    return found / total if total else 0.0


def _corners(length: int, side: int) -> np.ndarray:
    """Return where blocks of a side begin, so that they cover a length."""
    count = 1 + -(-(length - side) // GRID_STEP_PX)
    return np.linspace(0, length - side, count).round().astype(int)


def _follow_camera(
    before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Move a thumbnail as a camera that pans and zooms would have.

    Returns:
        The moved thumbnail, `after`, and 1.0 where the former shows the earlier frame,
        else 0.0.
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
    return moved, after, visible


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
