"""What a recipe says of models: what they are and how they are trained."""

from dataclasses import dataclass

from fer_tf.config.checks import below_one
from fer_tf.config.checks import file_name
from fer_tf.config.checks import not_negative
from fer_tf.config.checks import one_of
from fer_tf.config.checks import positive
from fer_tf.errors import UserError


@dataclass(frozen=True)
class ModelConfig:
    """A backbone by its name in `fer_tf.models`, and its regularisation.

    `weights` is what training starts from: `none` is from scratch, `imagenet` the
    published weights, a path a `.weights.h5` file of the same model. `enlarge` is how
    many times larger this model makes `face.size` inside: 2 gives its features twice
    the resolution, at four times the cost. `head: arcface` is for teachers: logits are
    scaled cosines, trained with `train.margin`.
    """

    name: str
    dropout: float = 0.2
    weights: str = "none"
    enlarge: float = 1.0
    head: str = "linear"

    def __post_init__(self) -> None:
        # A teacher's folder has this name.
        file_name("model.name", self.name)
        one_of("model.head", self.head, ("linear", "arcface"))
        below_one("model.dropout", self.dropout)
        if not 1 <= self.enlarge <= 8:
            raise UserError(f"model.enlarge must be in 1..8, received {self.enlarge}.")


# What a choice on validation may go by. `balanced_nll` is the NLL under a uniform class
# prior, so it does not follow the class frequencies of the corpus.
CRITERIA = ("macro_f1", "nll", "balanced_nll")
_IMBALANCE = ("none", "effective_number", "logit_adjustment", "focal")


@dataclass(frozen=True)
class TrainConfig:
    """How a stage is optimised: AdamW, warm-up and cosine decay.

    `learning_rate` is the peak; `warmup` the fraction of all steps that lead up to
    it; `clip_norm` the largest global norm of the gradient, 0 for none. `best_by`
    chooses the checkpoint that is kept, on validation: `macro_f1`, `nll`, or
    `balanced_nll`, the NLL with every class weighted equally and the probabilities
    reweighted to a uniform class prior.

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

    `ema` is the momentum of the moving average of the weights that is validated and
    kept in place of the last weights, 0 for none. `precision: mixed_bfloat16` computes
    in 16 bits where that is safe, for hardware that is fast at it; `jit_compile`
    compiles the step with XLA, which is for GPUs.

    `margin` is an arcface head's alone: by how much (radians) the angle between a
    picture and its class is widened in the loss. It grows from 0 over the first
    `margin_epochs` (fractions do as well). 0 is none.
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
    margin: float = 0.35
    margin_epochs: float = 2.0
    ema: float = 0.0
    precision: str = "float32"
    jit_compile: bool = False

    def __post_init__(self) -> None:
        one_of("train.best_by", self.best_by, CRITERIA)
        one_of("train.precision", self.precision, ("float32", "mixed_bfloat16"))
        one_of("train.sampling", self.sampling, ("shuffle", "balanced"))
        one_of("train.imbalance", self.imbalance, _IMBALANCE)
        positive("train.epochs", self.epochs)
        positive("train.batch_size", self.batch_size)
        positive("train.learning_rate", self.learning_rate)
        for name in (
            *("weight_decay", "clip_norm"),
            *("negative", "mixup", "cutmix", "margin_epochs"),
        ):
            not_negative(f"train.{name}", getattr(self, name))
        if self.mixup and self.cutmix:
            raise UserError(
                f"train.mixup and train.cutmix are {self.mixup} and {self.cutmix}, but "
                "a batch is mixed in one way: set one of them to 0."
            )
        for name in ("warmup", "label_smoothing", "ema"):
            below_one(f"train.{name}", getattr(self, name))
        if not 0 <= self.negative_entropy <= 1:
            raise UserError(
                "train.negative_entropy must be in 0..1, received "
                f"{self.negative_entropy}."
            )
        if not 0 <= self.margin <= 1:
            raise UserError(f"train.margin must be in 0..1, received {self.margin}.")
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

    def __post_init__(self) -> None:
        if self.model.head == "arcface":
            self._refuse_soft_targets()

    def _refuse_soft_targets(self) -> None:
        for name in ("mixup", "cutmix", "label_smoothing"):
            value = getattr(self.train, name)
            if value:
                raise UserError(
                    f"{self.model.name} has model.head=arcface and train.{name}="
                    f"{value}, expected 0: an arcface head keeps a margin from the one "
                    f"class that a picture has. `train.{name}` reaches every stage; "
                    f"in the recipe, give this one `train: {{{name}: 0.0}}` or `head: "
                    "linear`."
                )


@dataclass(frozen=True)
class SoftLabelsConfig:
    """`views` of each training picture are answered by the teachers and stored;
    `search` is what the ensemble weights are chosen by, on validation: `nll`,
    `balanced_nll` (also for the temperatures) or `macro_f1`. `per_class` is whether
    each class has its own weights.

    `memorised` is what is done where the teachers are surer of training views than of
    validation by more than .05, having learnt them by heart: `warn`, or `soften` the
    soft labels until they are no surer.

    With `folds` they have learnt nothing of what they answer: of each teacher as many
    more models are trained, each without one fold of the training groups, whose views
    it answers. 0 is none.

    `stored` is a folder that `fer-tf fuse --keep` wrote: soft labels that came with a
    recipe, and what its teachers answered. The student is taught by those, and no
    teacher is trained. "" is none.
    """

    views: int = 8
    search: str = "nll"
    per_class: bool = False
    memorised: str = "warn"
    folds: int = 0
    stored: str = ""

    def __post_init__(self) -> None:
        one_of("soft_labels.search", self.search, CRITERIA)
        one_of("soft_labels.memorised", self.memorised, ("warn", "soften"))
        if self.folds < 0 or self.folds == 1:
            raise UserError(
                f"soft_labels.folds must be 0, or 2 or more, received {self.folds}."
            )
        if self.per_class and self.search != "nll":
            raise UserError(
                f"soft_labels.per_class is true and soft_labels.search {self.search}, "
                "expected nll: a grid has too many weights for each class. Set "
                "soft_labels.search=nll or soft_labels.per_class=false."
            )
        positive("soft_labels.views", self.views)


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
        one_of("distill start", self.start, ("scratch", "ce", "kd"))
        positive("distill temperature", self.temperature)
        if not 0 <= self.weight <= 1:
            raise UserError(f"distill weight must be in 0..1, received {self.weight}.")
        for name in ("alpha", "beta", "warmup_epochs"):
            not_negative(f"distill {name}", getattr(self, name))
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
    """The two distillation stages, by the name of their loss.

    With `teacher: stored` they learn from the soft labels, in the views that these were
    made from; with `live` the teachers run beside the student, and answer a new view of
    every picture each epoch, at the cost of their time.
    """

    teacher: str = "stored"
    kd: DistillConfig = DistillConfig(start="ce")
    dkd: DistillConfig = DistillConfig(start="kd")

    def __post_init__(self) -> None:
        one_of("distill.teacher", self.teacher, ("stored", "live"))
