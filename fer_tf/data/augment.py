"""Views: what a picture of a face looks like under another jitter, light and camera.

View v of a picture is a function of (seed, key, v) alone: whoever asks gets the same
pixels. That is what lets a student be taught on exactly the views that its teachers
have answered.
"""

import hashlib
from typing import NamedTuple

import cv2
import numpy as np

from fer_tf.config import AugmentConfig
from fer_tf.data.crops import Crop
from fer_tf.data.crops import sampled
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import prepare

# JPEG and the erased square come to half of the views.
HALF = 0.5
BEST_JPEG_QUALITY = 95
# A Gaussian narrower than this changes no pixel by a grey level.
MIN_BLUR_PX = 0.2


class Draws(NamedTuple):
    """A number in [0, 1) for every choice that a view makes.

    All are drawn for every view, in this order, whatever a recipe switches on: to
    change one augmentation leaves the others' choices as they are. So a new one goes to
    the end.
    """

    rotate: float
    scale: float
    shift_x: float
    shift_y: float
    flip: float
    brightness: float
    contrast: float
    red: float
    green: float
    blue: float
    downscale: float
    blur: float
    noise: float
    jpeg: float
    jpeg_quality: float
    grey: float
    cutout: float
    cutout_side: float
    cutout_x: float
    cutout_y: float
    cutout_level: float


def view(
    crop: Crop,
    *,
    spec: FaceSpec,
    augment: AugmentConfig,
    seed: int,
    key: str,
    number: int,
) -> np.ndarray:
    """Return view `number` of a picture, as the model takes it.

    One warp (jitter and resize together), then light, then what a lens and a camera do,
    then the very `prepare` that live calls.

    Returns:
        uint8 [spec.size, spec.size, 3], RGB.
    """
    rng = _generator(seed, key, number)
    draws = Draws(*rng.random(len(Draws._fields)).tolist())
    pixels = _warp(crop, spec.size, augment, draws)
    pixels = _light(pixels, augment, draws)
    pixels = _lens(pixels, augment, draws)
    pixels = _noise(pixels, augment, draws, rng)
    pixels = _jpeg(pixels, augment, draws)
    pixels = _grey(pixels, augment, draws)
    return prepare(_cut_out(pixels, augment, draws), spec)


def _generator(seed: int, key: str, number: int) -> np.random.Generator:
    digest = hashlib.blake2b(f"{seed}/{number}/{key}".encode(), digest_size=16)
    return np.random.Generator(
        np.random.Philox(key=np.frombuffer(digest.digest(), np.uint64))
    )


def _both_ways(draw: float, furthest: float) -> float:
    return (2 * draw - 1) * furthest


def _warp(crop: Crop, size: int, augment: AugmentConfig, draws: Draws) -> np.ndarray:
    """Sample the jittered square; beyond the crop's slack it is mirrored."""
    angle = np.deg2rad(_both_ways(draws.rotate, augment.rotate_deg))
    zoom = 1 + _both_ways(draws.scale, augment.scale)
    shift = np.array([draws.shift_x, draws.shift_y]) * 2 - 1
    mirror = -1.0 if augment.flip and draws.flip < 0.5 else 1.0
    corner, sides = np.array(crop.square_xywh_px).reshape(2, 2)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    # From the view's pixels to the crop's, centre to centre; half a pixel is the
    # difference between a pixel's corner and its middle.
    linear = turn * zoom * sides[:, None] / size
    centre = corner + (0.5 + shift * augment.shift) * sides - 0.5
    return sampled(crop.pixels, linear, centre, size, cv2.BORDER_REFLECT_101)


def _light(pixels: np.ndarray, augment: AugmentConfig, draws: Draws) -> np.ndarray:
    """Brightness, contrast, and a tint as of a wrong white balance, in one look-up."""
    contrast = 1 + _both_ways(draws.contrast, augment.contrast)
    brightness = 255 * _both_ways(draws.brightness, augment.brightness)
    gains = 1.0
    if augment.tint:
        pixels = _colour(pixels)
        tints = np.array([draws.red, draws.green, draws.blue]) * 2 - 1
        gains = 1 + tints * augment.tint
    levels = np.arange(256.0).reshape(256, 1, 1)
    lit = ((levels - 127.5) * contrast + 127.5 + brightness) * gains
    return cv2.LUT(pixels, np.rint(lit).clip(0, 255).astype(np.uint8))


def _colour(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.ndim == 3 else cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)


def _lens(pixels: np.ndarray, augment: AugmentConfig, draws: Draws) -> np.ndarray:
    """Make the face as coarse as one far away, and as soft as one out of focus."""
    size = pixels.shape[0]
    side = max(1, round(size * (1 - draws.downscale * augment.downscale)))
    if side < size:
        small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
        pixels = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    sigma = draws.blur * augment.blur * size
    if sigma > MIN_BLUR_PX:
        pixels = cv2.GaussianBlur(pixels, (0, 0), sigma)
    return pixels


def _noise(
    pixels: np.ndarray,
    augment: AugmentConfig,
    draws: Draws,
    rng: np.random.Generator,
) -> np.ndarray:
    """Add noise, the same to all channels: a sensor's is mostly of luminance."""
    if not augment.noise:
        return pixels
    noise = rng.standard_normal(pixels.shape[:2], np.float32)
    noise *= np.float32(draws.noise * augment.noise)
    noise = noise if pixels.ndim == 2 else noise[..., None]
    return np.rint(pixels + noise).clip(0, 255).astype(np.uint8)


def _jpeg(pixels: np.ndarray, augment: AugmentConfig, draws: Draws) -> np.ndarray:
    if not augment.jpeg_quality or draws.jpeg >= HALF:
        return pixels
    span = BEST_JPEG_QUALITY - augment.jpeg_quality
    quality = round(augment.jpeg_quality + draws.jpeg_quality * span)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, data = cv2.imencode(".jpg", _turned(pixels), options)
    if not done:
        raise ValueError(f"pixels of shape {pixels.shape} cannot be encoded.")
    return _turned(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))


def _turned(pixels: np.ndarray) -> np.ndarray:
    """Turn RGB to OpenCV's BGR, or back; grey stays."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels


def _grey(pixels: np.ndarray, augment: AugmentConfig, draws: Draws) -> np.ndarray:
    if pixels.ndim == 2 or draws.grey >= augment.grey:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def _cut_out(pixels: np.ndarray, augment: AugmentConfig, draws: Draws) -> np.ndarray:
    """Erase a square, half the time (DeVries and Taylor, arXiv:1708.04552)."""
    size = pixels.shape[0]
    side = int(draws.cutout_side * augment.cutout * size)
    if not side or draws.cutout >= HALF:
        return pixels
    top = int(draws.cutout_y * size) - side // 2
    left = int(draws.cutout_x * size) - side // 2
    rows, columns = slice(max(0, top), top + side), slice(max(0, left), left + side)
    pixels = np.array(pixels)
    pixels[rows, columns] = int(draws.cutout_level * 256)
    return pixels
