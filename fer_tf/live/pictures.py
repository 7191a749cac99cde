"""Image files for the live view and `predict`: found in folders, and read as BGR."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fer_tf import image_files
from fer_tf import picture
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError


@dataclass(frozen=True, eq=False)
class ReadImage:
    """An image file in pixels.

    Attributes:
        pixels_bgr: uint8 [height, width, 3].
        scale: Pixels of the file per pixel of `pixels_bgr`: 1.0, or more for an image
            so large that it was reduced.
    """

    pixels_bgr: np.ndarray
    scale: float


def find_images(folder: Path) -> image_files.Walk:
    """Return the images in a folder and below it, and what was skipped.

    Raises:
        UserError: The folder holds no images.
    """
    found = image_files.walk(folder)
    if not found.images:
        raise UserError(
            f"{folder} holds no images{_examples(found)}. Expected files such as JPEG, "
            "PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC."
        )
    return found


def pictures_in(folder: Path) -> list[Path]:
    """Return the image files in a folder and below it, sorted.

    Raises:
        UserError: The folder holds no images.
    """
    return find_images(folder).images


def read_image(path: Path) -> ReadImage:
    """Read an image file.

    Raises:
        OutsideError: The file cannot be read or decoded.
    """
    try:
        decoded = picture.read(image_files.read_image_file(path))
    except OSError as error:
        raise OutsideError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise OutsideError(f"{path} cannot be read: {error}") from None
    bgr = cv2.cvtColor(decoded.pixels, cv2.COLOR_RGB2BGR)
    return ReadImage(bgr, decoded.scale)


def _examples(found: image_files.Walk) -> str:
    """Return what was skipped, in brackets; "" if nothing was."""
    if not found.skipped:
        return ""
    path, reason = next(iter(found.skipped.items()))
    return f" ({len(found.skipped)} skipped, such as {path.name}: {reason})"
