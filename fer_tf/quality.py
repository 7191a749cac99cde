"""Whether a crop is good enough to show an expression, for whatever classifies faces.

CLAHE stretches what is nearly black, flat or noise until a model is sure of it, so the
crop is judged before. `benchmarks/face_quality.py` prints what the thresholds do.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

# Brightness, contrast and sharpness are measured at one size, so that a small face and
# a large one, or an enlarged one, are judged alike.
SIDE_PX = 24
# Noise is measured at the size that models see; enlarging would smooth it away.
NOISE_SIDE_PX = 48
BRIGHT_PERCENTILE = 90
# Second differences along both axes: a face leaves little of them, white noise of
# standard deviation 1 leaves 1 (Immerkaer, "Fast Noise Variance Estimation", 1996).
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6


class UnsureReason(StrEnum):
    """Why a prediction is unsure; empty where it is sure."""

    NONE = ""
    LOW_CONFIDENCE = "low_confidence"
    OUTSIDE_FRAME = "outside_frame"
    TOO_SMALL = "too_small"
    TOO_DARK = "too_dark"
    LOW_CONTRAST = "low_contrast"
    FEW_TONES = "few_tones"
    NOISE = "noise"
    BLURRED = "blurred"

    @property
    def is_usable(self) -> bool:
        """The face was good enough: the prediction is evidence, sure or not."""
        return self in (UnsureReason.NONE, UnsureReason.LOW_CONFIDENCE)

    @property
    def words(self) -> str:
        """The reason as it is displayed."""
        return self.value.replace("_", " ")


@dataclass(frozen=True)
class Thresholds:
    """What a crop must reach to be classified; gray levels are in 0..255.

    Attributes:
        min_visible: Share of the face's box that must lie inside the frame.
        min_side_px: Shorter side of the crop in pixels of the frame.
        min_bright: Gray level that the brightest tenth of the crop must reach.
        min_contrast: Standard deviation of the gray levels.
        min_tones_bits: Entropy of the gray levels; a regular pattern has one bit.
        max_noise: Standard deviation of the noise, relative to that of the crop.
        min_detail: Standard deviation of the Laplacian, relative to that of the crop.
        max_detail: The same, above which a crop has the texture of noise.
    """

    min_visible: float = 0.6
    min_side_px: float = 22
    min_bright: float = 32.0
    min_contrast: float = 12.0
    min_tones_bits: float = 4.0
    max_noise: float = 0.36
    min_detail: float = 0.40
    max_detail: float = 2.6


# For crops that are known to be good, or that are no photographs.
ACCEPT_ALL = Thresholds(0, 0, 0, 0, 0, np.inf, 0, np.inf)


@dataclass(frozen=True)
class Measures:
    """What `Thresholds` are compared with, but for the part outside the frame."""

    side_px: int
    bright: float
    contrast: float
    tones_bits: float
    noise: float
    detail: float


def assess(
    crop_gray: np.ndarray,
    visible: float = 1.0,
    thresholds: Thresholds = Thresholds(),
) -> UnsureReason:
    """Return why a crop cannot be classified, or `UnsureReason.NONE`.

    Args:
        crop_gray: A face as it is framed, before CLAHE and resizing, uint8
            [height, width].
        visible: Share of the face's box that lies inside the frame.
        thresholds: What the crop must reach.
    """
    if visible < thresholds.min_visible:
        return UnsureReason.OUTSIDE_FRAME
    if min(crop_gray.shape) < thresholds.min_side_px:
        return UnsureReason.TOO_SMALL
    found = measure(crop_gray)
    # A dark face is flat and noisy as well, so the first that applies is the cause.
    if found.bright < thresholds.min_bright:
        return UnsureReason.TOO_DARK
    if found.contrast < thresholds.min_contrast:
        return UnsureReason.LOW_CONTRAST
    if found.tones_bits < thresholds.min_tones_bits:
        return UnsureReason.FEW_TONES
    if found.noise > thresholds.max_noise or found.detail > thresholds.max_detail:
        return UnsureReason.NOISE
    if found.detail < thresholds.min_detail:
        return UnsureReason.BLURRED
    return UnsureReason.NONE


def measure(crop_gray: np.ndarray) -> Measures:
    """Measure a crop.

    Args:
        crop_gray: A face as it is framed, uint8 [height, width].
    """
    side_px = min(crop_gray.shape)
    # A large crop is read once, since that takes longer than all the rest.
    middle = _resized(crop_gray, min(NOISE_SIDE_PX, side_px))
    small = _resized(middle, SIDE_PX)
    contrast = float(small.std())
    laplacian = cv2.Laplacian(small, cv2.CV_32F)[1:-1, 1:-1]
    differences = cv2.filter2D(middle, cv2.CV_32F, NOISE_KERNEL)[1:-1, 1:-1]
    return Measures(
        side_px=side_px,
        bright=float(np.percentile(small, BRIGHT_PERCENTILE)),
        contrast=contrast,
        tones_bits=_entropy_bits(crop_gray),
        noise=_ratio(_root_mean_square(differences), float(middle.std())),
        detail=_ratio(float(laplacian.std()), contrast),
    )


def visible_share(box_xywh_px: np.ndarray, frame_wh_px: tuple[int, int]) -> float:
    """Return the share of a box's area that lies inside the frame, in 0..1."""
    start = np.asarray(box_xywh_px[:2], float)
    size = np.asarray(box_xywh_px[2:], float)
    inside = np.minimum(start + size, frame_wh_px) - np.maximum(start, 0)
    return _ratio(float(np.prod(np.maximum(inside, 0))), float(np.prod(size)))


def _resized(gray: np.ndarray, side: int) -> np.ndarray:
    shrinks = min(gray.shape) > side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(gray, (side, side), interpolation=how).astype(np.float32)


def _entropy_bits(gray: np.ndarray) -> float:
    """Return H = -sum p log2 p of the gray levels of uint8 [height, width]."""
    counts = cv2.calcHist([gray], [0], None, [256], [0, 256])
    shares = counts[counts > 0] / gray.size
    return float(-np.sum(shares * np.log2(shares)))


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0


def _ratio(value: float, whole: float) -> float:
    return value / whole if whole > 0 else 0.0
