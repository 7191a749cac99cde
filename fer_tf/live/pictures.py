"""Pictures on disk: which files are some, and what is in them."""

from pathlib import Path

import cv2
import numpy as np

from fer_tf import picture
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError

SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures in a folder and below it, sorted.

    Raises:
        UserError: there are none.
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not found:
        raise UserError(
            f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))})."
        )
    return found


def read_picture(path: Path) -> np.ndarray:
    """Read a picture as BGR uint8 [height, width, 3].

    Raises:
        OutsideError: it cannot be read or decoded.
    """
    try:
        return cv2.cvtColor(picture.decode(path.read_bytes()), cv2.COLOR_RGB2BGR)
    except (OSError, ValueError) as error:
        raise OutsideError(f"{path} cannot be read: {error}") from None
