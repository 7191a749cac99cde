"""Ten crops: a picture's corners and its centre, and the same mirrored.

A model is asked about all ten and its probabilities are averaged, as Krizhevsky et al.
2012 (ImageNet Classification with Deep Convolutional Neural Networks, section 4.1) do.
Those who publish on FER2013 cut squares of 44 pixels out of its 48; so do these, as a
fraction of the square that the model is shown, whatever its size.
"""

import cv2
import numpy as np

from fer_tf.data.crops import Crop
from fer_tf.data.crops import sampled
from fer_tf.preprocess import FaceSpec
from fer_tf.preprocess import prepare

# Of a crop, as a fraction of the square's.
SIDE = 44 / 48
# How much of what a crop leaves out lies to its left, and how much above it.
PLACES = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5))
COUNT = 2 * len(PLACES)


def ten_crop(crop: Crop, number: int, spec: FaceSpec) -> np.ndarray:
    """Return one of a picture's ten crops, as the model takes it.

    Where the picture's square is [0, 1] x [0, 1], crop i of the first five is the
    square of side 11/12 with its top left corner at (x, y) / 12, of `PLACES[i]`: top
    left, top right, bottom left, bottom right, centre. Crop 5 + i is crop i mirrored,
    left to right. One warp, then the very `prepare` that live calls.

    Args:
        number: 0 to 9.

    Returns:
        uint8 [spec.size, spec.size, 3], RGB.
    """
    corner, sides = np.array(crop.square_xywh_px).reshape(2, 2)
    mirrored, place = divmod(number, len(PLACES))
    middle = SIDE / 2 + (1 - SIDE) * np.array(PLACES[place])
    pixels = sampled(
        crop.pixels,
        np.diag(SIDE * sides / spec.size),
        corner + middle * sides - 0.5,
        spec.size,
        # As the plain picture: beyond what there is, its edge is repeated.
        cv2.BORDER_REPLICATE,
    )
    return prepare(cv2.flip(pixels, 1) if mirrored else pixels, spec)
