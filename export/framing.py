"""Fits live framing for the bundle: where a training picture lies about a box."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fer_tf import files
from fer_tf import write_lock
from fer_tf.config import Config
from fer_tf.data.pipeline import kept_records
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.experiment import Step
from fer_tf.live import framing
from fer_tf.live import yunet
from fer_tf.live import yunet_model
from fer_tf.preprocess import Framing
from fer_tf.preprocess import fit_framing
from fer_tf.preprocess import shown
from fer_tf.sources import Record

log = logging.getLogger(__name__)

# Medians over so many pictures hardly move any more.
PICTURES = 1000

Fitted = tuple[Framing, dict[str, Any]]
Pictures = Iterator[tuple[Record, np.ndarray]]


def fit(
    config: Config, experiment: Experiment, detector_model: Path | None = None
) -> None:
    """Write `framing.json`, fitted on training pictures, or say that it is done.

    Args:
        detector_model: YuNet's ONNX file, where `face.framing_from` is `yunet`; None
            finds it as `live.yunet_model.find` does.

    Raises:
        CheckFailed: the detector finds too few faces.
        UserError: `face.framing_from` is `records`, and no record carries a box.
        OutsideError: there is no detector and it cannot be fetched.
    """
    manifest = experiment.need(experiment.manifest, "fer-tf data clean")
    way = config.face.framing_from
    # The corpus' own boxes come from no detector.
    score = config.live.detector_score if way == "yunet" else None
    step = Step(
        experiment.framed,
        {"from": way, "pictures": PICTURES, "detector_score": score},
        [manifest],
    )
    if step.is_done():
        return
    with write_lock.file(experiment.framing):
        content = _fitted(config, manifest, detector_model)
        files.write_json(experiment.framing, content)
        step.finish([experiment.framing])


def _fitted(
    config: Config, manifest: Path, detector_model: Path | None
) -> dict[str, Any]:
    """Return the content of `framing.json`."""
    way = config.face.framing_from
    if way == "yunet":
        detector = yunet.load(
            yunet_model.find(detector_model), score=config.live.detector_score
        )
        pictures = (
            shown(pixels, record.square_xywh_px)
            for record, pixels in _pictures(config, manifest)
        )
        fitted, report = framing.fit(pictures, detector)
    else:
        fitted, report = _from_records(_pictures(config, manifest))
    log.info("Live framing, from %d training pictures: %s.", report["n"], fitted)
    return {"framing": vars(fitted), "from": way, **report}


def _from_records(pictures: Pictures) -> Fitted:
    boxed = [
        _box_in_square(record, pixels)
        for record, pixels in pictures
        if record.box_xywh_px
    ]
    if not boxed:
        raise UserError(
            "face.framing_from is records, but of up to "
            f"{PICTURES:,} training records none carries a box. "
            "Set face.framing_from=yunet."
        )
    boxes, sizes = zip(*boxed, strict=True)
    return fit_framing(boxes, sizes)


def _box_in_square(record: Record, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a face's box within what a model is shown, and the size of that."""
    box = np.array(record.box_xywh_px, float)
    if not record.square_xywh_px:
        return box, np.array(pixels.shape[1::-1])
    square = np.array(record.square_xywh_px)
    return box - [*square[:2], 0, 0], square[2:]


def _pictures(config: Config, manifest: Path) -> Pictures:
    return kept_records(config, manifest, ["train"], PICTURES)
