"""Writes a bundle: the model, its classes, its card, and what must be known of it."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from export import convert
from fer_tf import experiment
from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.labels import CLASSES
from fer_tf.preprocess import FaceSpec
from fer_tf.runtime import bundle as schema


def write_bundle(
    folder: Path,
    model: keras.Model,
    *,
    name: str,
    face: FaceSpec,
    temperature: float,
    abstain: schema.Abstain,
    precision: str,
    metrics: Mapping[str, Any],
    data_digests: Mapping[str, str],
    smoke: bool,
    model_card: str,
    prediction_sets: schema.PredictionSets | None = None,
) -> schema.Bundle:
    """Convert `model` and write its bundle, whole or not at all.

    Args:
        folder: taken if it is not there, is empty, or holds an older bundle.
        model: RGB [batch, size, size, 3] in 0..255 to logits [batch, 7].
        data_digests: SHA-256 of the data the model was made from, by name.
        model_card: the text of `MODEL_CARD.md`.

    Returns:
        The bundle as `runtime.bundle.read` finds it.

    Raises:
        UserError: `folder` holds something else.
    """
    environment = experiment.environment()
    with _replacing_folder(folder) as temporary:
        tflite = convert.to_tflite(model, temperature, precision)
        (temporary / schema.MODEL).write_bytes(tflite)
        files.write_text(temporary / schema.LABELS, "\n".join(CLASSES) + "\n")
        files.write_text(temporary / schema.MODEL_CARD, model_card)
        written = schema.Bundle(
            folder=temporary,
            name=name,
            smoke=smoke,
            face=face,
            output="probabilities",
            precision=precision,
            temperature=temperature,
            abstain=abstain,
            metrics=metrics,
            versions=environment["packages"],
            commit=environment["commit"],
            data=data_digests,
            sha256={file: files.sha256_of(temporary / file) for file in schema.FILES},
            prediction_sets=prediction_sets,
        )
        files.write_json(temporary / schema.MANIFEST, written.to_dict())
    return schema.read(folder)


@contextlib.contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder` that takes its place on success."""
    if folder.exists() and not _may_be_replaced(folder):
        raise UserError(
            f"{folder} exists and is no bundle. Give another folder, or empty it."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bundle.") as beside:
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
