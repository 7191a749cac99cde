"""Views: what a picture of a face looks like under another jitter, light and camera.

View v of a picture is a function of (seed, key, v) alone: whoever asks gets the same
pixels. That is what lets a student be taught on exactly the views that its teachers
have answered.
"""

import hashlib

import cv2
import numpy as np

from fer_tf.config import AugmentConfig
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import as_rgb
from fer_tf.preprocess import prepare

# A warp samples between four pixels; from a picture much larger than the view it would
# skip some, which a camera's lens does not do.
MAX_SHRINK = 1.5


def view(
    picture: np.ndarray,
    *,
    spec: FaceSpec,
    augment: AugmentConfig,
    seed: int,
    key: str,
    number: int,
) -> np.ndarray:
    """Return view `number` of a picture, as the model takes it.

    One warp (jitter and resize together), then light and camera, then the very
    `prepare` that live calls.

    Args:
        picture: uint8 [height, width] or [height, width, 3], RGB.

    Returns:
        uint8 [spec.size, spec.size, 3], RGB.
    """
    rng = _generator(seed, key, number)
    warped = _warp(_bound(as_rgb(picture), spec.size), spec.size, augment, rng)
    lit = _light(warped, augment, rng)
    return prepare(_cut_out(lit, augment, rng), spec)


def _generator(seed: int, key: str, number: int) -> np.random.Generator:
    digest = hashlib.blake2b(f"{seed}/{number}/{key}".encode(), digest_size=16)
    return np.random.Generator(
        np.random.Philox(key=np.frombuffer(digest.digest(), np.uint64))
    )


def _bound(rgb: np.ndarray, size: int) -> np.ndarray:
    height, width = rgb.shape[:2]
    ratio = size * MAX_SHRINK / min(height, width)
    if ratio >= 1:
        return rgb
    wanted = (round(width * ratio), round(height * ratio))
    return cv2.resize(rgb, wanted, interpolation=cv2.INTER_AREA)


def _warp(
    rgb: np.ndarray, size: int, augment: AugmentConfig, rng: np.random.Generator
) -> np.ndarray:
    height, width = rgb.shape[:2]
    angle = np.deg2rad(rng.uniform(-augment.rotate_deg, augment.rotate_deg))
    zoom = 1 + rng.uniform(-augment.scale, augment.scale)
    shift = rng.uniform(-augment.shift, augment.shift, 2)
    mirror = -1.0 if augment.flip and rng.random() < 0.5 else 1.0
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    # From the view's pixels to the picture's, centre to centre; half a pixel is the
    # difference between a pixel's corner and its middle.
    linear = turn * zoom * np.array([[width], [height]]) / size
    centre = (0.5 + shift) * (width, height) - 0.5
    offset = centre - linear @ np.full(2, (size - 1) / 2)
    return cv2.warpAffine(
        rgb,
        np.column_stack([linear, offset]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def _light(
    rgb: np.ndarray, augment: AugmentConfig, rng: np.random.Generator
) -> np.ndarray:
    contrast = 1 + rng.uniform(-augment.contrast, augment.contrast)
    brightness = 255 * rng.uniform(-augment.brightness, augment.brightness)
    noise = rng.uniform(0, augment.noise) * rng.standard_normal(
        (*rgb.shape[:2], 1), np.float32
    )
    values = (rgb - np.float32(127.5)) * np.float32(contrast) + np.float32(
        127.5 + brightness
    )
    return np.clip(np.rint(values + noise), 0, 255).astype(np.uint8)


def _cut_out(
    rgb: np.ndarray, augment: AugmentConfig, rng: np.random.Generator
) -> np.ndarray:
    """Erase a square, half the time (DeVries and Taylor, arXiv:1708.04552)."""
    size = rgb.shape[0]
    side = int(rng.uniform(0, augment.cutout) * size)
    top, left = rng.integers(0, size, 2) - side // 2
    level = rng.integers(0, 256)
    if side and rng.random() < 0.5:
        rows, columns = slice(max(0, top), top + side), slice(max(0, left), left + side)
        rgb[rows, columns] = level
    return rgb
