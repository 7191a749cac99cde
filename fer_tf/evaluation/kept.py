"""Teachers' answers, kept beside a recipe so that its student is repeated without them.

Logits alone are kept, of each corpus' validation and test pictures in the order of
their keys: a key may name a person, and labels are the corpus'. A digest of the keys
tells whether a manifest has the very same pictures.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer_tf import files
from fer_tf.config import Config
from fer_tf.data import pipeline
from fer_tf.errors import UserError
from fer_tf.evaluation import predict
from fer_tf.evaluation.stages import teaching_runs
from fer_tf.experiment import Experiment
from fer_tf.experiment import Step
from fer_tf.experiment import verify
from fer_tf.labels import NUM_CLASSES
from fer_tf.predictions import Predictions
from fer_tf.predictions import SplitPredictions
from fer_tf.predictions import read_arrays
from fer_tf.predictions import write_arrays

ANSWERS = "answers.npz"


def keep(config: Config, experiment: Experiment, folder: Path) -> None:
    """Write the soft labels, and what each teacher and all together answered.

    Args:
        folder: takes soft_labels.npz, soft_labels.json and answers.npz, for
            `soft_labels.stored`. The first has the keys of the training pictures.

    Raises:
        UserError: the teachers have not been fused.
    """
    logits, digests = {}, {}
    runs = teaching_runs(config, experiment)
    report = experiment.soft_labels.with_suffix(".json")
    verify([experiment.soft_labels, report, *(r.predictions for r in runs.values())])
    for name, run in runs.items():
        predictions = Predictions.load(experiment.need(run.predictions, "fer-tf fuse"))
        for split in set(predictions.splits) - {"train"}:
            answers = predictions.split(split)
            for source in np.unique(answers.sources):
                rows = answers.take(_rows_of(answers, source))
                logits[f"{name}/{split}/{source}"] = rows.logits.astype(np.float16)
                digests[f"{split}/{source}"] = files.digest_of(rows.keys.tolist())
    folder.mkdir(parents=True, exist_ok=True)
    for path in (experiment.soft_labels, report):
        shutil.copyfile(path, folder / path.name)
    write_arrays(folder / ANSWERS, logits, keys=digests)


def take(config: Config, experiment: Experiment) -> None:
    """Write the kept answers as the teachers' predictions, or say that it is done.

    Raises:
        UserError: they are not there, or not of this manifest's pictures.
    """
    path = Path(config.soft_labels.stored) / ANSWERS
    runs = teaching_runs(config, experiment)
    # Looked at before the step leaves a trace.
    logits, metadata = read_arrays(experiment.need(path, "fer-tf fuse --keep FOLDER"))
    faces = pipeline.load(config, experiment.manifest)
    # Soft labels may have been stored before a source was added to data.validate_on.
    splits = {part.partition("/")[0] for part in metadata["keys"]}
    stored_splits = [split for split in faces if split in splits]
    answered = {
        name: {
            split: _answered(path, f"{name}/{split}", faces[split], logits, metadata)
            for split in stored_splits
        }
        for name in runs
    }
    step = Step(
        experiment.fused.stored,
        {"models": list(runs), "seed": config.seed},
        [path, experiment.manifest],
    )
    if step.is_done():
        return
    for name, run in runs.items():
        model = run.path.relative_to(experiment.root).as_posix()
        Predictions(
            model, config.seed, answered[name], made_from=step.inputs
        ).save(run.predictions)
    step.finish([run.predictions for run in runs.values()])


def _answered(
    path: Path,
    name: str,
    faces: pipeline.Faces,
    logits: Mapping[str, np.ndarray],
    metadata: Mapping[str, Mapping[str, str]],
) -> SplitPredictions:
    """Return what was kept of a model's answers to a split, as `name` has both."""
    asked = predict.answers(faces, np.zeros((len(faces), NUM_CLASSES)))
    found = np.zeros((len(asked), NUM_CLASSES), np.float32)
    for source in np.unique(asked.sources):
        rows = _rows_of(asked, source)
        received = files.digest_of(asked.keys[rows].tolist())
        part = f"{name.rpartition('/')[2]}/{source}"
        expected = metadata["keys"].get(part)
        if received != expected or f"{name}/{source}" not in logits:
            raise UserError(
                f"{path} has no answers of {name} to these {len(rows)} pictures of "
                f"{source}: expected keys of digest {(expected or 'none')[:12]}, "
                f"received {received[:12]}. Give data.sources as the recipe has them, "
                "and files as their publishers have them; or soft_labels.stored= to "
                "train the teachers."
            )
        found[rows] = logits[f"{name}/{source}"]
    return asked.with_logits(found)


def _rows_of(answers: SplitPredictions, source: str) -> np.ndarray:
    """Return the rows of a corpus, in the order of their keys."""
    rows = np.flatnonzero(answers.sources == source)
    return rows[np.argsort(answers.keys[rows])]
