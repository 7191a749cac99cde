"""What a recipe says of pictures: where they come from and how they are seen."""

from dataclasses import dataclass

from fer_tf.config.checks import file_name
from fer_tf.config.checks import not_negative
from fer_tf.config.checks import one_of
from fer_tf.config.checks import positive
from fer_tf.errors import UserError


@dataclass(frozen=True)
class DataConfig:
    """Which corpora, where they lie, and how many of their rows are used.

    Sources in `held_out` are never trained on: they are the test of domain shift, with
    their test split where they have one and with all of them where they have none.
    Sources in `validate_on` are never trained on and nothing is fitted to them; their
    metrics stand beside validation's after every epoch and in `metrics.json`, so that
    a choice can look at a shift of domain. Their test split, if any, stays test.
    `ferplus_weight` is how much of a training target is FERPlus' votes where a
    picture is in both; the rest is FER2013's label. At 0 FERPlus is not trained on.
    `disagreeing` says what becomes of duplicates with different labels that are trained
    on: `list` leaves them as they are, `merge` gives all of them the mean of their
    votes. `source_weights` says how often each source is drawn in training, in the
    order of `sources`; empty, as often as it has pictures.
    `limit` keeps that many rows of each source's split, chosen by the hash of the
    key; 0 keeps all. `drawn_count` and `drawn_seed` say which drawn faces to draw.
    `dummy` names the sources for which their builder's dummy data stands in, in a smoke
    run alone.
    """

    sources: tuple[str, ...] = ("drawn_faces",)
    held_out: tuple[str, ...] = ()
    validate_on: tuple[str, ...] = ()
    ferplus_weight: float = 1.0
    disagreeing: str = "list"
    source_weights: tuple[float, ...] = ()
    raw: str = "data/raw"
    data_dir: str = "data/records"
    limit: int = 0
    drawn_count: int = 1600
    drawn_seed: int = 0
    dummy: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for source in self.sources:
            file_name("a source in data.sources", source)
        one_of("data.disagreeing", self.disagreeing, ("list", "merge"))
        if not 0 <= self.ferplus_weight <= 1:
            raise UserError(
                f"data.ferplus_weight must be in 0..1, received {self.ferplus_weight}."
            )
        for name in ("limit", "drawn_seed"):
            not_negative(f"data.{name}", getattr(self, name))
        positive("data.drawn_count", self.drawn_count)
        for name in ("held_out", "validate_on"):
            for source in getattr(self, name):
                one_of(f"source in data.{name}", source, self.sources)
        if both := sorted({*self.held_out} & {*self.validate_on}):
            raise UserError(
                f"data.held_out and data.validate_on both name {', '.join(both)}: "
                "choices may look at the one and never at the other. Remove it from "
                "one of them."
            )
        trained = {*self.sources} - {*self.held_out} - {*self.validate_on}
        if self.sources and not trained:
            raise UserError(
                "data.held_out and data.validate_on leave no source to train on. "
                "Remove one from them, or add another to data.sources."
            )
        if trained == {"ferplus"}:
            self._check_ferplus_alone()
        self._check_weights()

    def _check_ferplus_alone(self) -> None:
        if not self.ferplus_weight:
            raise UserError(
                "data.ferplus_weight=0 leaves no source to train on: expected another "
                "than ferplus in data.sources, such as fer2013."
            )

    def _check_weights(self) -> None:
        weights = self.source_weights
        if weights and len(weights) != len(self.sources):
            raise UserError(
                f"data.source_weights must have a number for each of the "
                f"{len(self.sources)} sources, received {len(weights)}."
            )
        if weights and not (
            all(0 <= weight < float("inf") for weight in weights) and any(weights)
        ):
            raise UserError(
                "data.source_weights must be finite, 0 or more, and not all 0, "
                f"received {list(weights)}."
            )


@dataclass(frozen=True)
class FaceConfig:
    """The model's input (see `preprocess.FaceSpec`).

    `framing_from` says where the boxes come from on which live framing is fitted:
    `yunet` runs the detector on training pictures, `records` takes the boxes that the
    corpus carries.
    """

    size: int = 48
    grey: bool = True
    clahe_clip: float = 2.0
    clahe_tiles: int = 4
    framing_from: str = "records"

    def __post_init__(self) -> None:
        one_of("face.framing_from", self.framing_from, ("yunet", "records"))
        not_negative("face.clahe_clip", self.clahe_clip)
        for name, least in (("size", 8), ("clahe_tiles", 1)):
            if getattr(self, name) < least:
                raise UserError(
                    f"face.{name} must be {least} or more, received "
                    f"{getattr(self, name)}."
                )


# Beyond these a view shows nothing of its picture.
_AUGMENT_LIMITS = {
    "shift": 1,
    "scale": 0.9,
    "rotate_deg": 180,
    "brightness": 1,
    "contrast": 1,
    "tint": 1,
    "downscale": 0.95,
    "blur": 0.5,
    "noise": 255,
    "jpeg_quality": 95,
    "grey": 1,
    "cutout": 1,
}


@dataclass(frozen=True)
class AugmentConfig:
    """How far a view may stray from its picture; 0 switches an augmentation off.

    Geometry: `shift` and `scale` are fractions of the square's side, `rotate_deg`
    degrees. Light: `brightness` and `contrast` are fractions of the full range, `tint`
    is how far each colour's gain may be from 1. Lens: `downscale` is the part of the
    side's pixels that may be lost, as of a face far away, `blur` the standard deviation
    of a Gaussian, as a fraction of the side. Camera: `noise` is a standard deviation in
    grey levels, `jpeg_quality` the lowest that half of the views are compressed with
    (the best is 95). `grey` is the probability that colour is lost, `cutout` the
    largest side of the square that half of the views lose, as a fraction.

    Each is drawn uniformly up to the value given, both ways where it has two. What a
    webcam does is about a tint of 0.15, a downscale of 0.5, a blur of 0.015, a noise of
    5 and a jpeg_quality of 40.
    """

    flip: bool = True
    shift: float = 0.05
    scale: float = 0.08
    rotate_deg: float = 8.0
    brightness: float = 0.15
    contrast: float = 0.25
    tint: float = 0.0
    downscale: float = 0.0
    blur: float = 0.0
    noise: float = 3.0
    jpeg_quality: int = 0
    grey: float = 0.0
    cutout: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in _AUGMENT_LIMITS.items():
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise UserError(
                    f"augment.{name} must be in 0..{limit}, received {value}."
                )
