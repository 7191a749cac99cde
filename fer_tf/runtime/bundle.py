"""The bundle's schema, and the reader that trusts nothing it has not checked.

A damaged model file can load and predict something else, or crash the process; so every
file's SHA-256 is compared with `bundle.json` before anything is loaded. `bundle.json`
has the digest of its own content, as every JSON file of this program, and every number
in it is checked for type and bounds, because not only damage changes files.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_tf import files
from fer_tf.config import checks
from fer_tf.errors import UserError
from fer_tf.errors import unknown_name
from fer_tf.labels import CLASSES
from fer_tf.labels import NUM_CLASSES
from fer_tf.preprocess import FaceSpec

SCHEMA_VERSION = 1
MANIFEST = "bundle.json"
MODEL = "model.tflite"
LABELS = "labels.txt"
MODEL_CARD = "MODEL_CARD.md"
FILES = (MODEL, LABELS, MODEL_CARD)

# As `fer_tf.calibration`, which needs SciPy, has them.
MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-7, 1e7
MAX_SCALING = 1000.0
# No metric, count or time that a bundle may hold is larger.
MAX_METRIC = 1e15

OUTPUTS = ("logits", "probabilities")
PRECISIONS = ("dynamic", "float16", "float32", "int8")


@dataclass(frozen=True)
class Abstain:
    """When to say "unsure": a confidence below `threshold`.

    `wanted_accuracy` is what the threshold was chosen for on the split `fitted_on`.
    """

    threshold: float
    wanted_accuracy: float
    fitted_on: str

    def __post_init__(self) -> None:
        for name in ("threshold", "wanted_accuracy"):
            checks.number(f"abstain.{name}", getattr(self, name), 0, 1)
        checks.of_type("abstain.fitted_on", self.fitted_on, str)


@dataclass(frozen=True)
class PredictionSets:
    """Which classes a face may show: those of probability `threshold` or more.

    `wanted_coverage` is how often such a set should hold the label; the threshold was
    chosen for it on the split `fitted_on`.
    """

    threshold: float
    wanted_coverage: float
    fitted_on: str

    def __post_init__(self) -> None:
        for name in ("threshold", "wanted_coverage"):
            checks.number(f"prediction_sets.{name}", getattr(self, name), 0, 1)
        checks.of_type("prediction_sets.fitted_on", self.fitted_on, str)


@dataclass(frozen=True)
class Vector:
    """Vector scaling, after the temperature: each class by a factor and a bias."""

    weights: tuple[float, ...]
    biases: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("weights", "biases"):
            values = tuple(getattr(self, name))
            if len(values) != NUM_CLASSES:
                raise UserError(
                    f"vector.{name} must be {NUM_CLASSES} numbers, received "
                    f"{len(values)}."
                )
            for index, value in enumerate(values):
                checks.number(
                    f"vector.{name}[{index}]", value, -MAX_SCALING, MAX_SCALING
                )
            object.__setattr__(self, name, values)


@dataclass(frozen=True)
class Bundle:
    """An exported student: everything between a picture of a face and an answer.

    Attributes:
        folder: where its files lie.
        name: what the experiment called it.
        smoke: it was made by a smoke run and knows nothing; never to be relied on.
        face: how a crop becomes the model's input.
        output: what the model answers, `probabilities` or `logits`.
        precision: `float32`, `float16` (weights alone), `dynamic` (weights in 8 bits,
            activations where they meet them) or `int8` (all in 8 bits).
        temperature: the fitted T; already inside the model if it answers
            probabilities.
        abstain: the threshold below which an answer is "unsure".
        metrics: the student's figures, as `metrics.json` holds them, and under
            `exported` what the file itself answers on validation.
        versions: packages it was made with.
        commit: the code it was made with.
        data: SHA-256 of the data it was made from, by name.
        sha256: SHA-256 of each of its files, by file name.
        classes: the classes in the order of the model's output.
        prediction_sets: what is in a face's prediction set; None in a bundle that
            was exported without.
        vector: what follows the temperature; inside the model where that is. None
            where the temperature is all.
    """

    folder: Path
    name: str
    smoke: bool
    face: FaceSpec
    output: str
    precision: str
    temperature: float
    abstain: Abstain
    metrics: Mapping[str, Any]
    versions: Mapping[str, str]
    commit: str
    data: Mapping[str, str]
    sha256: Mapping[str, str]
    classes: tuple[str, ...] = CLASSES
    prediction_sets: PredictionSets | None = None
    vector: Vector | None = None

    def __post_init__(self) -> None:
        self._check_kinds()
        if self.classes != CLASSES:
            raise UserError(
                f"the classes must be {', '.join(CLASSES)} in this order, "
                f"received {', '.join(map(str, self.classes))}."
            )
        if self.output not in OUTPUTS:
            raise unknown_name("bundle output", self.output, OUTPUTS)
        if self.precision not in PRECISIONS:
            raise unknown_name("bundle precision", self.precision, PRECISIONS)
        checks.number(
            "temperature", self.temperature, MIN_TEMPERATURE, MAX_TEMPERATURE
        )
        _check_metrics(self.metrics)

    def _check_kinds(self) -> None:
        for name, kind in _KINDS.items():
            checks.of_type(name, getattr(self, name), kind)
        for name in ("versions", "data", "sha256"):
            for key, value in getattr(self, name).items():
                checks.of_type(f"{name}.{key}", value, str)

    @property
    def model(self) -> Path:
        """The TFLite file."""
        return self.folder / MODEL

    @property
    def digest(self) -> str:
        """The SHA-256 that names this bundle: that of its `bundle.json`'s content."""
        return files.digest_of(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `bundle.json`."""
        # A bundle without these keeps the content, and so the digest, that it had.
        optional = {
            name: dataclasses.asdict(value)
            for name in OPTIONAL
            if (value := getattr(self, name)) is not None
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "smoke": self.smoke,
            "classes": list(self.classes),
            "face": self.face.to_dict(),
            "output": self.output,
            "precision": self.precision,
            "temperature": self.temperature,
            "abstain": vars(self.abstain).copy(),
            "metrics": self.metrics,
            "versions": self.versions,
            "commit": self.commit,
            "data": self.data,
            "sha256": self.sha256,
            **optional,
        }


# The keys of `bundle.json` that may be absent, and what they hold.
OPTIONAL = {"prediction_sets": PredictionSets, "vector": Vector}
_KINDS = {
    "name": str,
    "smoke": bool,
    "face": FaceSpec,
    "abstain": Abstain,
    "commit": str,
    "metrics": Mapping,
    "versions": Mapping,
    "data": Mapping,
    "sha256": Mapping,
}


def _check_metrics(value: Any, place: str = "metrics") -> None:
    """Raise UserError unless a JSON value holds finite numbers alone, at any depth."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_metrics(item, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check_metrics(item, f"{place}[{index}]")
    elif not isinstance(value, (str, bool, type(None))):
        checks.number(place, value, -MAX_METRIC, MAX_METRIC)


def read(folder: Path) -> Bundle:
    """Read a bundle and check it whole, before anything in it is loaded.

    Raises:
        UserError: `folder` is not a bundle, has another schema version or class order,
            or one of its files is missing, changed or damaged.
    """
    if not (folder / MANIFEST).is_file():
        if not folder.exists():
            what = f"the bundle {folder} does not exist."
        elif not folder.is_dir():
            what = f"{folder} is a file: expected a bundle's folder."
        else:
            what = f"{folder} is not a bundle: it holds no {MANIFEST}."
        raise UserError(
            f"{what} Make one with `fer-tf run` or `fer-tf export`, then give its "
            "folder."
        )
    try:
        content = files.read_json(folder / MANIFEST)
        _check_version(content)
        bundle = _from_dict(folder, content)
        _check_files(bundle)
    except UserError as error:
        raise UserError(f"the bundle {folder}: {error}") from None
    return bundle


def _check_version(content: Any) -> None:
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{MANIFEST} has schema version {version!r}, this fer-tf reads "
            f"{SCHEMA_VERSION}. Export it again, or install the fer-tf that made it."
        )


def _from_dict(folder: Path, content: Mapping[str, Any]) -> Bundle:
    values = {key: item for key, item in content.items() if key != "schema_version"}
    do = "Copy the bundle again, or export it again."
    with files.reading(folder / MANIFEST, "a bundle's description", do):
        values["classes"] = tuple(values["classes"])
        values["face"] = FaceSpec.from_dict(values["face"])
        values["abstain"] = Abstain(**values["abstain"])
        for name in OPTIONAL.keys() & values.keys():
            values[name] = OPTIONAL[name](**values[name])
        return Bundle(folder=folder, **values)


def _check_files(bundle: Bundle) -> None:
    for name in FILES:
        path = bundle.folder / name
        if not path.is_file():
            raise UserError(f"{name} is missing. Export it again.")
        expected = bundle.sha256.get(name)
        received = files.sha256_of(path)
        if received != expected:
            raise UserError(
                f"{name} was changed or damaged: expected SHA-256 {expected}, received "
                f"{received}. Copy it again, or export it again."
            )
    labels = (bundle.folder / LABELS).read_text(encoding="utf-8", errors="replace")
    listed = tuple(labels.split())
    if listed != bundle.classes:
        raise UserError(
            f"{LABELS} lists {', '.join(listed)}, {MANIFEST} says "
            f"{', '.join(bundle.classes)}. Export it again."
        )
