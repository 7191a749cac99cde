"""Writes a bundle: the model, its classes, its card, and what must be known of it."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export import convert
from export import metadata
from fer_tf import experiment
from fer_tf import files
from fer_tf import leftovers
from fer_tf import write_lock
from fer_tf.calibration import Calibration
from fer_tf.errors import UserError
from fer_tf.preprocess import FaceSpec
from fer_tf.runtime import bundle as schema


def write_bundle(
    folder: Path,
    tflite: bytes,
    *,
    name: str,
    face: FaceSpec,
    calibration: Calibration,
    precision: str,
    metrics: Mapping[str, Any],
    data_digests: Mapping[str, str],
    smoke: bool,
    model_card: str,
) -> schema.Bundle:
    """Write a bundle's files into `folder`, which may hold those of an older one.

    Args:
        tflite: what `convert.to_tflite` returned.
        calibration: what the file was converted with, or is scaled by afterwards.
        metrics: as `runtime.bundle.Bundle` has them.
        data_digests: SHA-256 of the data the model was made from, by name.
        model_card: the text of `MODEL_CARD.md`.

    Returns:
        The bundle as `runtime.bundle.read` finds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    output = convert.output_of(precision)
    labelled = metadata.with_labels(tflite, name=name, face=face, output=output)
    (folder / schema.MODEL).write_bytes(labelled)
    files.write_text(folder / schema.LABELS, metadata.labels_text())
    files.write_text(folder / schema.MODEL_CARD, model_card)
    environment = experiment.environment()
    written = schema.Bundle(
        folder=folder,
        name=name,
        smoke=smoke,
        face=face,
        output=output,
        precision=precision,
        temperature=calibration.temperature,
        abstain=schema.Abstain(
            calibration.threshold, calibration.wanted_accuracy, calibration.fitted_on
        ),
        metrics=metrics,
        versions=environment["packages"],
        commit=environment["commit"],
        data=data_digests,
        sha256={file: files.sha256_of(folder / file) for file in schema.FILES},
        prediction_sets=_prediction_sets(calibration),
        vector=_vector(calibration),
    )
    files.write_json(folder / schema.MANIFEST, written.to_dict())
    return schema.read(folder)


def _prediction_sets(calibration: Calibration) -> schema.PredictionSets | None:
    if calibration.set_threshold is None:
        return None
    return schema.PredictionSets(
        calibration.set_threshold, calibration.wanted_coverage, calibration.fitted_on
    )


def _vector(calibration: Calibration) -> schema.Vector | None:
    if not calibration.weights:
        return None
    return schema.Vector(calibration.weights, calibration.biases)


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of `folder` on success.

    Where what is done in it fails, an older bundle stays as it was.

    Args:
        folder: taken if it is not there, is empty, or holds an older bundle.

    Raises:
        UserError: `folder` holds something else.
        OutsideError: another process is writing `folder`.
    """
    if folder.exists() and not _may_be_replaced(folder):
        raise UserError(
            f"{folder} exists and is no bundle. Give another folder, or empty it."
        )
    with (
        write_lock.file(folder),
        tempfile.TemporaryDirectory(
            dir=folder.parent, prefix=leftovers.prefix()
        ) as beside,
    ):
        temporary = Path(beside, "new")
        temporary.mkdir()
        yield temporary
        if folder.exists():
            os.replace(folder, Path(beside, "old"))
        os.replace(temporary, folder)


def _may_be_replaced(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return (folder / schema.MANIFEST).exists() or not any(folder.iterdir())
