"""What can be evaluated by itself: a run's model, a Keras file, a bundle."""

import dataclasses
import zipfile
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from fer_tf import config as recipes
from fer_tf import metrics
from fer_tf import models
from fer_tf.config import Config
from fer_tf.config import FaceConfig
from fer_tf.config import StageConfig
from fer_tf.errors import UserError
from fer_tf.evaluation.predict import Answer
from fer_tf.evaluation.predict import trained
from fer_tf.experiment import STUDENT_STAGES
from fer_tf.experiment import Experiment
from fer_tf.experiment import RunFolder
from fer_tf.labels import NUM_CLASSES
from fer_tf.runtime import bundle as bundles
from fer_tf.runtime.classifier import Classifier
from fer_tf.training.inputs import check_recipe

# What Keras was seen to raise on a file that is damaged, foreign or not to be trusted.
_UNREADABLE = (
    AttributeError,
    KeyError,
    OSError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Asked:
    """What a command line says of the recipe.

    Attributes:
        config: that of `--config`, with the overrides.
        experiment: the one that `config` names.
        chosen: `--config` was given, so it is meant for bundles and Keras files.
        overrides: laid over the recipe of a model's own experiment.
    """

    config: Config
    experiment: Experiment
    chosen: bool = False
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Subject:
    """A model to be evaluated.

    Attributes:
        kind: `run`, `keras` or `bundle`.
        path: where it lies.
        name: what it is called.
        config: the recipe, whose `face` is the model's own.
        experiment: whose manifest it is asked about.
        weights: the file that makes it what it is.
        beside: further files that its answers hang on.
        load: returns what answers.
        raw: what its raw figures are of.
        smoke: it was made by a smoke run.
    """

    kind: str
    path: Path
    name: str
    config: Config
    experiment: Experiment
    weights: Path
    load: Callable[[], Answer]
    beside: tuple[Path, ...] = ()
    raw: str = "the model's own logits"
    smoke: bool = False


def find(path: Path, asked: Asked) -> Subject:
    """Return the model at `path`: a run's folder, a `.keras` file, a bundle's folder.

    A run's recipe is that of its experiment. A Keras file or a bundle is asked about
    the pictures of `--config`, or without it of the experiment that it lies in.

    Raises:
        UserError: it is none of these, or not whole.
    """
    path = path.absolute()
    if path.suffix == ".keras" and path.is_file():
        return _keras(path, asked)
    if (path / bundles.MANIFEST).is_file():
        return _bundle(path, asked)
    if RunFolder(path).weights.is_file():
        return _run(path, asked)
    raise UserError(
        f"{path} is no model: expected a run's folder, which holds "
        f"{RunFolder(path).weights.name}, a bundle's, which holds {bundles.MANIFEST}, "
        "or a .keras file. All models of an experiment are scored by: fer-tf evaluate "
        "--config FILE"
    )


def _home(path: Path) -> Experiment | None:
    """Return the experiment whose folder holds `path`, if one does."""
    found = (Experiment(parent) for parent in path.parents[:3])
    return next((each for each in found if each.config.is_file()), None)


def _origin(path: Path, asked: Asked) -> tuple[Config, Experiment]:
    home = None if asked.chosen else _home(path)
    if home is None:
        return asked.config, asked.experiment
    return recipes.load(home.config, asked.overrides), home


def _run(path: Path, asked: Asked) -> Subject:
    home = _home(path)
    if home is None:
        raise UserError(
            f"{path} lies in no experiment: there is no config.yaml above it, which "
            "says what model it is. Give a run inside its experiment's folder."
        )
    config = recipes.load(home.config, asked.overrides)
    own = recipes.load(home.config)
    if not RunFolder(path).asked.exists() and _made_of(config) != _made_of(own):
        raise UserError(
            f"the overrides {' '.join(asked.overrides)} would change the model in "
            f"{path}, whose recipe is {home.config}. Leave `face`, `student`, "
            "`teachers` and `train` as they are."
        )
    run, stage = RunFolder(path), _stage(path, config, home)
    # Now, for a run that has answered before is not loaded.
    check_recipe(config, stage, run)
    return Subject(
        kind="run",
        path=path,
        name=path.relative_to(home.root).as_posix().removeprefix("teachers/"),
        config=config,
        experiment=home,
        weights=run.weights,
        load=lambda: partial(models.answers, trained(config, stage, run.weights)),
        smoke=config.smoke,
    )


def _made_of(config: Config) -> tuple:
    return config.face, config.student, config.teachers


def _stage(path: Path, config: Config, home: Experiment) -> StageConfig:
    """Return what the recipe says of the model in a run's folder."""
    folders = {home.student(name).path: config.student for name in STUDENT_STAGES}
    for stage in config.teachers:
        run = home.teacher(stage.model.name)
        unseen = range(config.soft_labels.folds)
        folders |= {each.path: stage for each in (run, *map(run.fold, unseen))}
    if path not in folders:
        raise UserError(
            f"the recipe {home.config} knows no run {path.relative_to(home.root)}, "
            f"only {', '.join(str(each.relative_to(home.root)) for each in folders)}."
        )
    return folders[path]


def _keras(path: Path, asked: Asked) -> Subject:
    config, experiment = _origin(path, asked)
    return Subject(
        kind="keras",
        path=path,
        name=path.stem,
        config=config,
        experiment=experiment,
        weights=path,
        load=partial(_load_keras, path, config.face.size),
    )


def _load_keras(path: Path, size: int) -> Answer:
    """Read a Keras file that takes what `preprocess.prepare` returns.

    Raises:
        UserError: it cannot be read, or takes or answers something else.
    """
    try:
        model = keras.models.load_model(path, compile=False)
        # A Sequential that was never built has neither.
        takes, answers = model.input_shape, model.output_shape
    except _UNREADABLE as error:
        raise UserError(f"{path} cannot be read by Keras: {error}") from None
    _check_shape(path, "take", takes, (None, size, size, 3))
    _check_shape(path, "answer", answers, (None, NUM_CLASSES))
    return partial(_logits_alone, path, model)


def _check_shape(path: Path, verb: str, received: object, expected: tuple) -> None:
    if received != expected:
        hint = " Set face.size to the model's." if verb == "take" else ""
        raise UserError(
            f"{path} must {verb} {_shown(expected)}, but it {verb}s "
            f"{_shown(received)}. A model takes RGB [n, size, size, 3] in 0..255 and "
            f"answers logits [n, {NUM_CLASSES}].{hint}"
        )


def _shown(shape: object) -> str:
    return str(shape).replace("None", "n")


def _logits_alone(
    path: Path, model: keras.Model, images: Iterable[tf.Tensor]
) -> np.ndarray:
    """Return a model's logits; probabilities in their place would be softened."""
    logits = models.answers(model, images)
    if not np.isfinite(logits).all():
        raise UserError(f"{path} answers NaN or infinity, expected finite logits.")
    if (logits >= 0).all() and np.allclose(logits.sum(axis=1), 1, atol=1e-3):
        raise UserError(
            f"{path} answers probabilities, expected logits. Save the model without "
            "its softmax."
        )
    return logits


def _bundle(path: Path, asked: Asked) -> Subject:
    config, experiment = _origin(path, asked)
    bundle = bundles.read(path)
    face = FaceConfig(
        bundle.face.size,
        bundle.face.grey,
        bundle.face.clahe_clip,
        bundle.face.clahe_tiles,
        config.face.framing_from,
    )
    return Subject(
        kind="bundle",
        path=path,
        name=path.name,
        config=dataclasses.replace(config, face=face),
        experiment=experiment,
        weights=bundle.model,
        load=lambda: partial(_bundle_logits, Classifier(bundle)),
        beside=(path / bundles.MANIFEST,),
        raw=(
            "the probabilities that the bundle ships, its own scaling inside "
            f"(T = {bundle.temperature:.3f})"
        ),
        smoke=bundle.smoke,
    )


def _bundle_logits(classifier: Classifier, images: Iterable[tf.Tensor]) -> np.ndarray:
    """Return logits of a bundle's probabilities, [n, 7], to be scaled with T = 1."""
    probs = np.concatenate([classifier.classify(batch.numpy()) for batch in images])
    return metrics.logits_of(probs)
