"""A whole recipe, and what it says of what comes after training."""

from dataclasses import dataclass
from dataclasses import field

from fer_tf.config.checks import file_name
from fer_tf.config.checks import not_negative
from fer_tf.config.checks import one_of
from fer_tf.config.pictures import AugmentConfig
from fer_tf.config.pictures import DataConfig
from fer_tf.config.pictures import FaceConfig
from fer_tf.config.stages import DistillStages
from fer_tf.config.stages import ModelConfig
from fer_tf.config.stages import SoftLabelsConfig
from fer_tf.config.stages import StageConfig
from fer_tf.config.stages import TrainConfig
from fer_tf.errors import UserError


@dataclass(frozen=True)
class CalibrateConfig:
    """What is fitted, and chosen for, on validation.

    `method: vector` scales each class on its own after the temperature, which may
    change the likeliest class and so the accuracy; `temperature` never does. Answers
    that are not "unsure" should be right in `wanted_accuracy` of all; the prediction
    sets should hold the label in `wanted_coverage`.
    """

    wanted_accuracy: float = 0.9
    wanted_coverage: float = 0.9
    method: str = "temperature"

    def __post_init__(self) -> None:
        one_of("calibrate.method", self.method, ("temperature", "vector"))
        if not 0 < self.wanted_accuracy <= 1:
            raise UserError(
                "calibrate.wanted_accuracy must be above 0 and at most 1, received "
                f"{self.wanted_accuracy}."
            )
        if not 0 < self.wanted_coverage < 1:
            raise UserError(
                "calibrate.wanted_coverage must be between 0 and 1, received "
                f"{self.wanted_coverage}."
            )


_PRECISIONS = ("float32", "float16", "dynamic", "int8")


@dataclass(frozen=True)
class ExportConfig:
    """Which student leaves, and in which precision.

    `student: best` is the one with the lowest calibrated NLL on validation. Of the
    precisions, `float32` answers as the model does, and `float16` (half the size) so
    nearly. `dynamic` has weights in 8 bits, `int8` everything; they lose something, and
    if that is more than a point of accuracy or .02 of NLL on validation they are not
    exported, unless `allow_loss`.
    """

    student: str = "best"
    precision: str = "float16"
    allow_loss: bool = False

    def __post_init__(self) -> None:
        one_of("export.student", self.student, ("best", "ce", "kd", "dkd"))
        one_of("export.precision", self.precision, _PRECISIONS)


@dataclass(frozen=True)
class LiveConfig:
    """The live view.

    `detect_side_px` bounds the longer side of what the detector sees, which looks at
    every `detect_every`-th frame; in between, faces are carried by optical flow.
    `smoothing_ms` is the time constant of the smoothing, 0 for none; a label changes
    when another leads by `hysteresis` for `hold_ms`, and "unsure" comes and goes once
    the confidence has passed its threshold by `hysteresis`, or for `hold_ms`. A track
    ends `forget_ms` after its face was last seen.
    """

    detector_score: float = 0.65
    detect_side_px: int = 640
    detect_every: int = 1
    smoothing_ms: float = 200.0
    hysteresis: float = 0.08
    hold_ms: float = 250.0
    forget_ms: float = 500.0
    drawn_clip: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.detector_score < 1:
            raise UserError(
                "live.detector_score must be between 0 and 1, received "
                f"{self.detector_score}."
            )
        for name in ("detect_side_px", "detect_every"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"live.{name} must be 1 or more, received {getattr(self, name)}."
                )
        for name in ("smoothing_ms", "hysteresis", "hold_ms", "forget_ms"):
            not_negative(f"live.{name}", getattr(self, name))


# What TensorFlow takes, and one more is taken for the rehearsal.
MOST_SEED = 2**32 - 2


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
        file_name("experiment", self.experiment)
        if not 0 <= self.seed <= MOST_SEED:
            raise UserError(
                f"seed must be in 0..{MOST_SEED}, received {self.seed}."
            )
        names = [teacher.model.name for teacher in self.teachers]
        if not names or len(set(names)) != len(names):
            raise UserError(
                f"teachers must be one or more different models, received {names}."
            )
        if self.student.model.head == "arcface":
            raise UserError(
                "student.model.head is arcface, expected linear: the student goes on "
                "to learn from the teachers' soft labels, which have no one class to "
                "keep a margin from. Set student.model.head=linear; teachers may have "
                "arcface."
            )
        if not self.data.sources:
            raise UserError("data.sources must name at least one corpus.")
        if self.data.dummy and not self.smoke:
            raise UserError(
                f"data.dummy is {list(self.data.dummy)}, expected none: dummy data is "
                "for smoke runs. Give --smoke, or the corpora themselves."
            )
        if self.distill.teacher == "live" and self.soft_labels.stored:
            raise UserError(
                "distill.teacher is live and soft_labels.stored "
                f"{self.soft_labels.stored!r}, expected none: those soft labels' "
                "teachers stayed where they were trained. Set distill.teacher=stored "
                "or soft_labels.stored=."
            )
        if self.distill.teacher == "live" and self.soft_labels.folds:
            raise UserError(
                "distill.teacher is live and soft_labels.folds "
                f"{self.soft_labels.folds}, expected 0: live teachers have been shown "
                "every training picture. Set distill.teacher=stored or "
                "soft_labels.folds=0."
            )
