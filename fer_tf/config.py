"""Recipes: frozen dataclasses, read from YAML, changed by dotted overrides.

A YAML file may name a `base:` beside it, whose values it changes. An unknown key is
an error that names the nearest known one. `Config()` is `configs/quickstart.yaml`.
"""

import dataclasses
import typing
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import yaml

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

    `limit` keeps that many rows of each source's split, chosen by the hash of the
    key; 0 keeps all. `drawn_count` and `drawn_seed` say which drawn faces to draw.
    """

    sources: tuple[str, ...] = ("drawn_faces",)
    raw: str = "data/raw"
    data_dir: str = "data/records"
    limit: int = 0
    drawn_count: int = 2000
    drawn_seed: int = 0


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


@dataclass(frozen=True)
class AugmentConfig:
    """How far a view may stray from its picture.

    `shift` and `scale` are fractions of the picture's side, `rotate_deg` degrees;
    `brightness` and `contrast` fractions of the full range; `noise` a standard
    deviation in grey levels; `cutout` the largest side of an erased square, as a
    fraction. Each is drawn uniformly up to the value given, both ways where it has two.
    """

    flip: bool = True
    shift: float = 0.05
    scale: float = 0.08
    rotate_deg: float = 8.0
    brightness: float = 0.15
    contrast: float = 0.25
    noise: float = 3.0
    cutout: float = 0.0


@dataclass(frozen=True)
class ModelConfig:
    """A backbone by its name in `fer_tf.models`, and its regularisation."""

    name: str
    dropout: float = 0.2


@dataclass(frozen=True)
class TrainConfig:
    """How a stage is optimised: AdamW, warm-up and cosine decay.

    `learning_rate` is the peak; `warmup` the fraction of all steps that lead up to
    it; `clip_norm` the largest global norm of the gradient, 0 for none. `best_by`
    chooses the checkpoint that is kept, on validation.
    """

    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    best_by: str = "macro_f1"

    def __post_init__(self) -> None:
        _one_of("train.best_by", self.best_by, ("macro_f1", "nll"))
        _positive("train.epochs", self.epochs)
        _positive("train.batch_size", self.batch_size)
        _positive("train.learning_rate", self.learning_rate)


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
    `start` is the stage whose best student it starts from, or `scratch`.
    """

    start: str
    temperature: float = 2.0
    weight: float = 0.5
    alpha: float = 1.0
    beta: float = 4.0
    train: TrainConfig = TrainConfig()

    def __post_init__(self) -> None:
        _one_of("distill start", self.start, ("scratch", "ce", "kd"))
        _positive("distill temperature", self.temperature)
        if not 0 <= self.weight <= 1:
            raise UserError(f"distill weight must be in 0..1, received {self.weight}.")


@dataclass(frozen=True)
class DistillStages:
    """The two distillation stages, by the name of their loss."""

    kd: DistillConfig = DistillConfig(start="ce")
    dkd: DistillConfig = DistillConfig(start="kd", train=TrainConfig(epochs=8))


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
        StageConfig(ModelConfig("resnet18"), TrainConfig(learning_rate=1e-3)),
    )
    student: StageConfig = StageConfig(ModelConfig("mobilenetv3_large_minimalistic"))
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


def load(path: Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Read a recipe.

    Args:
        path: a YAML file; None is `Config()`.
        overrides: `dotted.key=value` each, the value in YAML; applied last. One that
            starts with `train.` is for every stage, whatever the file says of it.

    Raises:
        UserError: a missing file, an unknown key, a value of the wrong type.
    """
    tree = _tree_of(path) if path else {}
    stages: dict[str, Any] = {}
    for override in overrides:
        keys, value = _parse(override)
        if keys[0] == "train":
            _put(stages, keys[1:], value)
        else:
            _put(tree, keys, value)
    config = _build(Config, _spread_train(tree), "")
    return train_everywhere(config, stages)


def to_dict(config: Any) -> dict[str, Any]:
    """Return a config as plain dicts, lists and scalars."""
    return dataclasses.asdict(config)


def to_yaml(config: Config) -> str:
    """Return the resolved recipe as YAML, which `load` reads to the same `Config`."""
    return yaml.safe_dump(_plain(to_dict(config)), sort_keys=False)


def train_everywhere(config: Config, changes: Mapping[str, Any]) -> Config:
    """Return `config` with `changes` made to the `TrainConfig` of every stage."""
    if not changes:
        return config
    tree = to_dict(config)
    for stage in _stage_trees(tree):
        stage["train"].update(changes)
    return _build(Config, tree, "")


def smoke(config: Config) -> Config:
    """Return `config` with every part of it tiny, to walk the whole way in a minute."""
    tree = to_dict(config)
    tree["smoke"] = True
    tree["experiment"] = f"{config.experiment}-smoke"
    tree["data"].update(limit=48, drawn_count=240)
    tree["soft_labels"]["views"] = 2
    for stage in _stage_trees(tree):
        stage["train"].update(epochs=1, batch_size=16)
    return _build(Config, tree, "")


def _stage_trees(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*tree["teachers"], tree["student"], *tree["distill"].values()]


def _tree_of(path: Path) -> dict[str, Any]:
    """Return the file's values laid over those of its bases."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise UserError(f"there is no config {path}. Give one with --config.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the config {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"the config {path} is not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise UserError(f"the config {path} must be keys and values.")
    base = tree.pop("base", None)
    return _merge(_tree_of(path.parent / base), tree) if base else tree


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _spread_train(tree: dict[str, Any]) -> dict[str, Any]:
    """Lay the file's common `train:` under the `train:` of every stage."""
    common = tree.pop("train", None)
    if common is None:
        return tree
    defaults = to_dict(Config())
    for stage in _stage_trees(defaults):
        del stage["train"]
    tree = {**{name: defaults[name] for name in ("teachers", "student")}, **tree}
    tree["distill"] = _merge(defaults["distill"], tree.get("distill") or {})
    for stage in _stage_trees(tree):
        if isinstance(stage, dict):
            stage["train"] = _merge(common, stage.get("train") or {})
    return tree


def _parse(override: str) -> tuple[list[str], Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"expected dotted.key=value, received {override!r}.")
    try:
        return key.split("."), yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"{text!r} is no YAML value, in {override!r}.") from None


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise UserError(f"{key!r} has no keys of its own, in {'.'.join(keys)}.")
    tree[keys[-1]] = value


def _build(kind: type, values: Any, where: str) -> Any:
    """Return the dataclass `kind` from a tree of plain values, checking each."""
    if not isinstance(values, Mapping):
        raise UserError(
            f"{where.rstrip('.') or 'the config'} must be keys and values, "
            f"received {values!r}."
        )
    hints = typing.get_type_hints(kind)
    for key in values:
        if key not in hints:
            raise unknown_name("config key", f"{where}{key}", _keys(where, hints))
    arguments = {
        key: _convert(hints[key], value, f"{where}{key}")
        for key, value in _with_defaults(kind, values).items()
    }
    try:
        return kind(**arguments)
    except TypeError:
        raise UserError(f"{where or 'the config'} lacks a key: {values}.") from None


def _with_defaults(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `values` over the defaults, so that a part of a section can be given."""
    merged = dict(values)
    for item in dataclasses.fields(kind):
        default = _default_of(item)
        if dataclasses.is_dataclass(default) and isinstance(
            values.get(item.name), Mapping
        ):
            merged[item.name] = _merge(to_dict(default), values[item.name])
    return merged


def _default_of(item: dataclasses.Field) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def _keys(where: str, names: Iterable[str]) -> list[str]:
    return [f"{where}{name}" for name in names] + ([] if where else ["train", "base"])


def _convert(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else _build(kind, value, f"{where}.")
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise UserError(f"{where} must be a list, received {value!r}.")
        inner = typing.get_args(kind)[0]
        return tuple(
            _convert(inner, item, f"{where}[{index}]")
            for index, item in enumerate(value)
        )
    return _scalar(kind, value, where)


def _scalar(kind: type, value: Any, where: str) -> Any:
    # YAML reads 1e-3 (no dot) as text, and a user means a number by it.
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            value = float(value)
        except ValueError:
            pass
    if type(value) is not kind:
        raise UserError(
            f"{where} must be {kind.__name__}, received {value!r} "
            f"({type(value).__name__})."
        )
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
