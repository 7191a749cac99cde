"""How a face becomes the model's input: framing, size, grey, CLAHE.

The one definition. Training's views and live's crops both end in `prepare`, and the
square that live cuts around a detector's box is fitted on training pictures by
`fit_framing`, so that a live face is framed as the student was taught.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_tf import files
from fer_tf.config import checks


# Bounds of what a bundle may ask of the live view. A framing far outside its quartiles
# on any corpus, or CLAHE on tiles of less than a pixel, is damage, not a choice.
MIN_SIZE, MAX_SIZE = 8, 1024
MAX_CLAHE_CLIP = 100.0
MIN_SCALE, MAX_SCALE = 0.1, 10.0
MAX_OFFSET = 5.0


@dataclass(frozen=True)
class Framing:
    """The square that holds a face, relative to a detector's box.

    With a box of centre (cx, cy) and side s = sqrt(width * height), the square has
    its centre at (cx + dx * s, cy + dy * s) and the side scale * s. For a model that
    was trained on images that are the detector's boxes themselves, it is the default.

    Raises:
        UserError: a value is no finite number, or is out of its bounds.
    """

    scale: float = 1.0
    dx: float = 0.0
    dy: float = 0.0

    def __post_init__(self) -> None:
        checks.number("framing.scale", self.scale, MIN_SCALE, MAX_SCALE)
        for name in ("dx", "dy"):
            checks.number(
                f"framing.{name}", getattr(self, name), -MAX_OFFSET, MAX_OFFSET
            )

    @classmethod
    def load(cls, path: Path) -> "Framing":
        """Read the framing from a `framing.json`.

        Raises:
            UserError: the file is missing or damaged, or holds something else.
        """
        do = "Delete it and its step's record, then run the same command again."
        with files.reading(path, "a fitted framing", do):
            return cls(**files.read_json(path)["framing"])


@dataclass(frozen=True)
class FaceSpec:
    """Everything between an image of a face and the model's input.

    Attributes:
        size: side of the model's input in pixels.
        grey: luminance on three channels, for a model trained on gray images.
        clahe_clip: clip limit of CLAHE on luminance; 0 omits CLAHE.
        clahe_tiles: CLAHE's tiles along each side, of one pixel or more each.
        framing: where a training image lies relative to a detector's box.

    Raises:
        UserError: a value has another type, is not finite, or is out of its bounds.
    """

    size: int = 64
    grey: bool = True
    clahe_clip: float = 2.0
    clahe_tiles: int = 4
    framing: Framing = Framing()

    def __post_init__(self) -> None:
        checks.integer("face.size", self.size, MIN_SIZE, MAX_SIZE)
        checks.of_type("face.grey", self.grey, bool)
        checks.number("face.clahe_clip", self.clahe_clip, 0, MAX_CLAHE_CLIP)
        checks.integer("face.clahe_tiles", self.clahe_tiles, 1, self.size)
        checks.of_type("face.framing", self.framing, Framing)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FaceSpec":
        """Return the spec that `to_dict` described."""
        values = dict(values)
        return cls(framing=Framing(**values.pop("framing")), **values)


def as_rgb(picture: np.ndarray) -> np.ndarray:
    """Return uint8 [height, width, 3] of a grey, RGB or RGBA picture."""
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not picture.size:
        raise ValueError(
            "expected a picture of uint8 [height, width] or [height, width, 1, 3 or 4],"
            f" received {picture.dtype} {list(picture.shape)}."
        )
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    if channels == 1:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    if channels == 4:
        return cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB)
    if channels == 3:
        return picture
    raise ValueError(f"expected 1, 3 or 4 channels, received {channels}.")


def prepare(picture: np.ndarray, spec: FaceSpec) -> np.ndarray:
    """Turn a framed face of any size into the model's input.

    Args:
        picture: uint8 [height, width] grey, or [height, width, 3 or 4] RGB or RGBA.

    Returns:
        uint8 [spec.size, spec.size, 3], RGB.
    """
    rgb = _resize(as_rgb(picture), spec.size)
    if spec.grey:
        luminance = _equalise(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), spec)
        return cv2.cvtColor(luminance, cv2.COLOR_GRAY2RGB)
    if not spec.clahe_clip:
        return rgb
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lab[..., 0] = _equalise(lab[..., 0], spec)
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def _resize(rgb: np.ndarray, size: int) -> np.ndarray:
    if rgb.shape[:2] == (size, size):
        return rgb
    # Averaging over the source pixels, not sampling them: a large live face must not
    # look sharper or noisier than the small pictures the model was taught on.
    shrinks = min(rgb.shape[:2]) > size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(rgb, (size, size), interpolation=how)


def _equalise(luminance: np.ndarray, spec: FaceSpec) -> np.ndarray:
    if not spec.clahe_clip:
        return luminance
    tiles = (spec.clahe_tiles, spec.clahe_tiles)
    return cv2.createCLAHE(clipLimit=spec.clahe_clip, tileGridSize=tiles).apply(
        luminance
    )


def square_around(box_xywh_px: Sequence[float], framing: Framing) -> np.ndarray:
    """Return the framed square [x, y, width, height] of a detector's box, in pixels."""
    x, y, width, height = box_xywh_px
    box_side = np.sqrt(width * height)
    side = framing.scale * box_side
    centre_x = x + width / 2 + framing.dx * box_side
    centre_y = y + height / 2 + framing.dy * box_side
    return np.array([centre_x - side / 2, centre_y - side / 2, side, side])


def cut(frame: np.ndarray, square_xywh_px: Sequence[float]) -> np.ndarray:
    """Copy a square out of a frame; beyond the frame its edge pixels are repeated.

    Args:
        frame: uint8 [height, width] or [height, width, channels].
        square_xywh_px: as `square_around` returns it; may leave the frame.

    Returns:
        A new array of the square's rounded size, at least one pixel.
    """
    left, top = np.round(square_xywh_px[:2]).astype(int)
    side = max(1, int(round(square_xywh_px[2])))
    height, width = frame.shape[:2]
    rows, above, below = _within(top, side, height)
    columns, before, after = _within(left, side, width)
    # By slices, since by indices it takes fifty times as long.
    square = cv2.copyMakeBorder(
        frame[rows, columns], above, below, before, after, cv2.BORDER_REPLICATE
    )
    return square.reshape(side, side, *frame.shape[2:])


def _within(start: int, length: int, end: int) -> tuple[slice, int, int]:
    """Return what of a stretch lies in 0..end, and what is missing at its two ends.

    Of a stretch that lies outside, it is the nearest pixel.
    """
    first = min(max(start, 0), end - 1)
    last = max(min(start + length, end), first + 1)
    before = min(max(-start, 0), length - 1)
    return slice(first, last), before, length - before - (last - first)


def shown(picture: np.ndarray, square_xywh_px: Sequence[float]) -> np.ndarray:
    """Return the part of a picture that a model is shown; all of it without a square.

    Beyond the picture its edge pixels are repeated, as live does.
    """
    return cut(picture, square_xywh_px) if len(square_xywh_px) else picture


def fit_framing(
    boxes_xywh_px: np.ndarray, picture_sizes_px: np.ndarray
) -> tuple[Framing, dict[str, Any]]:
    """Fit the framing under which live cuts what training pictures show.

    A training picture is itself the square that is wanted, so each one gives one
    observation of scale and centre; the medians are taken, since a detector that
    takes a hand for a face now and then must not move them.

    Args:
        boxes_xywh_px: [pictures, 4], the detector's box in each picture.
        picture_sizes_px: [pictures, 2], width and height of each picture.

    Returns:
        The framing, and a description of the fit: n, medians, quartiles.
    """
    boxes = np.asarray(boxes_xywh_px, float)
    sizes = np.asarray(picture_sizes_px, float)
    if not len(boxes):
        raise ValueError("framing needs at least one picture with a box, received 0.")
    box_side = np.sqrt(boxes[:, 2] * boxes[:, 3])
    offset = (sizes / 2 - (boxes[:, :2] + boxes[:, 2:] / 2)) / box_side[:, None]
    observed = {
        "scale": np.sqrt(sizes[:, 0] * sizes[:, 1]) / box_side,
        "dx": offset[:, 0],
        "dy": offset[:, 1],
    }
    quartiles = {
        name: [round(float(q), 4) for q in np.percentile(values, (25, 50, 75))]
        for name, values in observed.items()
    }
    framing = Framing(**{name: values[1] for name, values in quartiles.items()})
    return framing, {"n": len(boxes), "quartiles": quartiles}
