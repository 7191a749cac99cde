"""What a recipe says, section by section: frozen dataclasses without work in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from fer_tf.errors import UserError
from fer_tf.errors import unknown_name


def _one_of(what: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise unknown_name(what, value, known)


def _positive(what: str, value: float) -> None:
    if not value > 0:
        raise UserError(f"{what} must be positive, received {value}.")


@dataclass(frozen=True)
class DataConfig:
    """Which corpora, where they lie, and how many of their rows are used.

    Sources in `held_out` are never trained on: they are the test of domain shift, with
    their test split where they have one and with all of them where they have none.
    `ferplus_weight` is how much of a training target is FERPlus' votes where a
    picture is in both; the rest is FER2013's label. At 0 FERPlus is not trained on.
    `disagreeing` says what becomes of duplicates with different labels that are trained
    on: `list` leaves them as they are, `merge` gives all of them the mean of their
    votes. `source_weights` says how often each source is drawn in training, in the
    order of `sources`; empty, as often as it has pictures.
    `limit` keeps that many rows of each source's split, chosen by the hash of the
    key; 0 keeps all. `drawn_count` and `drawn_seed` say which drawn faces to draw.
    """

    sources: tuple[str, ...] = ("drawn_faces",)
    held_out: tuple[str, ...] = ()
    ferplus_weight: float = 1.0
    disagreeing: str = "list"
    source_weights: tuple[float, ...] = ()
    raw: str = "data/raw"
    data_dir: str = "data/records"
    limit: int = 0
    drawn_count: int = 1600
    drawn_seed: int = 0

    def __post_init__(self) -> None:
        _one_of("data.disagreeing", self.disagreeing, ("list", "merge"))
        if not 0 <= self.ferplus_weight <= 1:
            raise UserError(
                f"data.ferplus_weight must be in 0..1, received {self.ferplus_weight}."
            )
        for source in self.held_out:
            _one_of("source in data.held_out", source, self.sources)
        if self.sources and not set(self.sources) - set(self.held_out):
            raise UserError("data.held_out leaves no source to train on.")
        self._check_weights()

    def _check_weights(self) -> None:
        weights = self.source_weights
        if weights and len(weights) != len(self.sources):
            raise UserError(
                f"data.source_weights must have a number for each of the "
                f"{len(self.sources)} sources, received {len(weights)}."
            )
        if weights and (min(weights) < 0 or sum(weights) <= 0):
            raise UserError(
                "data.source_weights must be 0 or more, and not all 0, received "
                f"{list(weights)}."
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
        _one_of("face.framing_from", self.framing_from, ("yunet", "records"))


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


@dataclass(frozen=True)
class ModelConfig:
    """A backbone by its name in `fer_tf.models`, and its regularisation.

    `weights` is what training starts from: `none` is from scratch, `imagenet` the
    published weights, a path a `.weights.h5` file of the same model. `enlarge` is how
    many times larger this model makes `face.size` inside: 2 gives its features twice
    the resolution, at four times the cost.
    """

    name: str
    dropout: float = 0.2
    weights: str = "none"
    enlarge: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.enlarge <= 8:
            raise UserError(f"model.enlarge must be in 1..8, received {self.enlarge}.")


_IMBALANCE = ("none", "effective_number", "logit_adjustment", "focal")


@dataclass(frozen=True)
class TrainConfig:
    """How a stage is optimised: AdamW, warm-up and cosine decay.

    `learning_rate` is the peak; `warmup` the fraction of all steps that lead up to
    it; `clip_norm` the largest global norm of the gradient, 0 for none. `best_by`
    chooses the checkpoint that is kept, on validation.

    `label_smoothing` is the part of a target that is spread over all classes.

    `sampling: balanced` shows every class equally often, drawn anew each epoch. Or the
    loss corrects classes that are not: by `imbalance`, `effective_number` weighs rare
    ones higher, `logit_adjustment` has the model learn what it would if all were
    equally frequent, `focal` looks most at what is not known yet. It is one or the
    other, and only in training: probabilities are validated as they come. In a
    distillation stage the cross entropy is corrected, not the teachers' answers.

    `negative` is the weight of negative learning (what a picture is not), added to the
    loss on labels where the student is unsure: where its entropy is at least
    `negative_entropy`, in 0..1 of the highest. 0 is none.

    `mixup` and `cutmix` are the alpha of the Beta distribution that two pictures are
    mixed by, 0 for none; one of them at a time, and only to train on labels.
    """

    epochs: int = 2
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    best_by: str = "macro_f1"
    sampling: str = "shuffle"
    imbalance: str = "none"
    negative: float = 0.0
    negative_entropy: float = 0.5
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        _one_of("train.best_by", self.best_by, ("macro_f1", "nll"))
        _one_of("train.sampling", self.sampling, ("shuffle", "balanced"))
        _one_of("train.imbalance", self.imbalance, _IMBALANCE)
        _positive("train.epochs", self.epochs)
        _positive("train.batch_size", self.batch_size)
        _positive("train.learning_rate", self.learning_rate)
        for name in ("negative", "mixup", "cutmix"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise UserError(f"train.{name} must be 0 or more, received {value}.")
        if self.mixup and self.cutmix:
            raise UserError(
                f"train.mixup and train.cutmix are {self.mixup} and {self.cutmix}, but "
                "a batch is mixed in one way: set one of them to 0."
            )
        if not 0 <= self.label_smoothing < 1:
            raise UserError(
                "train.label_smoothing must be 0 or more and below 1, received "
                f"{self.label_smoothing}."
            )
        if not 0 <= self.negative_entropy <= 1:
            raise UserError(
                "train.negative_entropy must be in 0..1, received "
                f"{self.negative_entropy}."
            )
        self._refuse_two_corrections()

    def _refuse_two_corrections(self) -> None:
        if self.sampling == "balanced" and self.imbalance != "none":
            raise UserError(
                f"train.sampling is balanced and train.imbalance {self.imbalance}: "
                "classes would be corrected twice. Set train.sampling=shuffle or "
                "train.imbalance=none."
            )


@dataclass(frozen=True)
class StageConfig:
    """A model and how it is trained."""

    model: ModelConfig
    train: TrainConfig = TrainConfig()


@dataclass(frozen=True)
class SoftLabelsConfig:
    """`views` of each training picture are answered by the teachers and stored;
    `search` is what the teachers' weights are chosen by, on validation."""

    views: int = 8
    search: str = "nll"

    def __post_init__(self) -> None:
        _one_of("soft_labels.search", self.search, ("nll", "macro_f1"))
        _positive("soft_labels.views", self.views)


@dataclass(frozen=True)
class DistillConfig:
    """One distillation stage: (1 - weight) CE + weight * temperature^2 * D.

    D is KD, or DKD = alpha * TCKD + beta * NCKD; `alpha` and `beta` are DKD's alone.
    `start` is the stage whose best student it starts from, or `scratch`. Over the first
    `warmup_epochs` (fractions do as well) the weight of D grows from 0 to what it is.
    """

    start: str
    temperature: float = 2.0
    weight: float = 0.5
    alpha: float = 1.0
    beta: float = 4.0
    warmup_epochs: float = 0.0
    train: TrainConfig = TrainConfig()

    def __post_init__(self) -> None:
        _one_of("distill start", self.start, ("scratch", "ce", "kd"))
        _positive("distill temperature", self.temperature)
        if not 0 <= self.weight <= 1:
            raise UserError(f"distill weight must be in 0..1, received {self.weight}.")
        if not 0 <= self.warmup_epochs < float("inf"):
            raise UserError(
                "distill warmup_epochs must be 0 or more, received "
                f"{self.warmup_epochs}."
            )
        self._refuse_mixing()

    def _refuse_mixing(self) -> None:
        # The teachers' answer to a mixture is not the mixture of their answers.
        for name in ("mixup", "cutmix"):
            value = getattr(self.train, name)
            if value:
                raise UserError(
                    f"a distillation stage has train.{name}={value}, expected 0: its "
                    "soft labels are the teachers' answers to pictures, not to "
                    f"mixtures. `train.{name}` reaches every stage; give "
                    f"student.train.{name}={value} instead, or in the recipe "
                    f"`train: {{{name}: {value}}}` under a teacher."
                )


@dataclass(frozen=True)
class DistillStages:
    """The two distillation stages, by the name of their loss."""

    kd: DistillConfig = DistillConfig(start="ce")
    dkd: DistillConfig = DistillConfig(start="kd")


@dataclass(frozen=True)
class CalibrateConfig:
    """`wanted_accuracy` is what the abstain threshold is chosen for, on validation."""

    wanted_accuracy: float = 0.9


@dataclass(frozen=True)
class ExportConfig:
    """Which student leaves, and in which precision.

    `student: best` is the one with the lowest calibrated NLL on validation.
    """

    student: str = "best"
    precision: str = "float16"

    def __post_init__(self) -> None:
        _one_of("export.student", self.student, ("best", "ce", "kd", "dkd"))
        _one_of("export.precision", self.precision, ("float32", "float16"))


@dataclass(frozen=True)
class LiveConfig:
    """The live view.

    `detect_side_px` bounds the longer side of what the detector sees. `smoothing_ms`
    is the time constant of the smoothing, 0 for none; a label changes when another
    leads by `hysteresis` for `hold_ms`. A track ends `forget_ms` after its face was
    last seen.
    """

    detector_score: float = 0.65
    detect_side_px: int = 640
    smoothing_ms: float = 300.0
    hysteresis: float = 0.08
    hold_ms: float = 250.0
    forget_ms: float = 500.0
    drawn_clip: bool = True


@dataclass(frozen=True)
class Config:
    """A whole experiment, from raw corpora to a live view."""

    experiment: str = "quickstart"
    seed: int = 0
    smoke: bool = False
    data: DataConfig = DataConfig()
    face: FaceConfig = FaceConfig()
    augment: AugmentConfig = AugmentConfig()
    teachers: tuple[StageConfig, ...] = (
        StageConfig(ModelConfig("resnet18"), TrainConfig(epochs=4)),
    )
    student: StageConfig = StageConfig(ModelConfig("resnet18"))
    soft_labels: SoftLabelsConfig = SoftLabelsConfig()
    distill: DistillStages = field(default_factory=DistillStages)
    calibrate: CalibrateConfig = CalibrateConfig()
    export: ExportConfig = ExportConfig()
    live: LiveConfig = LiveConfig()

    def __post_init__(self) -> None:
        names = [teacher.model.name for teacher in self.teachers]
        if not names or len(set(names)) != len(names):
            raise UserError(
                f"teachers must be one or more different models, received {names}."
            )
        if not self.data.sources:
            raise UserError("data.sources must name at least one corpus.")
