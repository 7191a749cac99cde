"""Built TFRecords back to records, their pictures still encoded."""

import dataclasses
import hashlib
import logging
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf import json_format

from fer_tf import files
from fer_tf import labels
from fer_tf.config import DataConfig
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.sources import CORPORA
from fer_tf.sources import SPLITS
from fer_tf.sources import Record
from fer_tf.sources import drawn
from fer_tf.sources import pictures

log = logging.getLogger(__name__)

REJECTS_FILE = "rejects.json"
FINGERPRINT_FILE = "fingerprint.json"


def config_name(source: str, data: DataConfig) -> str | None:
    """Return the TFDS config of `source` that the recipe asks for; None without any.

    Raises:
        UserError: the source is no known corpus, and not fit to be a name of one's own.
    """
    if source == drawn.NAME:
        return drawn.config_name(data.drawn_count, data.drawn_seed)
    if source in CORPORA:
        return None
    pictures.check_name(source)
    return source


def home(data_dir: Path, source: str, data: DataConfig) -> Path:
    """Return where a source's records are kept: dummy data's apart from real ones."""
    return data_dir / "dummy" if source in data.dummy else data_dir


def locate(data_dir: Path, source: str, data: DataConfig) -> Path:
    """Return the folder of a built source that the recipe asks for.

    Raises:
        UserError: it is not built; the message says how to build it.
    """
    dataset = source if source in CORPORA else pictures.NAME
    kept = home(data_dir, source, data)
    parent = kept / dataset / (config_name(source, data) or "")
    versions = sorted(parent.glob("[0-9]*.[0-9]*.[0-9]*"), key=_version)
    if not versions:
        raise UserError(
            f"there are no records of {source} in {parent}. Build them with: "
            f"fer-tf data build {source} --data-dir {data_dir}"
        )
    return versions[-1]


def rejects(folder: Path) -> dict[str, Any]:
    """Return what could not be read when a source was built.

    Returns:
        `attempted`, how many rows were tried, and `rejected`, a dictionary: file and
        row, relative to the corpus' folder, to the reason.
    """
    path = folder / REJECTS_FILE
    if not path.exists():
        return {"attempted": count(folder), "rejected": {}}
    return files.read_json(path)


def read(folder: Path) -> Iterator[Record]:
    """Yield the records in the folder that `locate` returned, always in one order.

    Raises:
        UserError: `folder` holds no records, or its description is damaged.
        OutsideError: the records are damaged.
    """
    with _reading(folder):
        yield from _read(folder)


def _read(folder: Path) -> Iterator[Record]:
    builder = _builder(folder)
    for split in SPLITS:
        if split not in builder.info.splits:
            continue
        dataset = builder.as_dataset(
            split=split,
            decoders={"image": tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        try:
            for example in dataset.as_numpy_iterator():
                yield _record(example, split)
        except tf.errors.OpError as error:
            raise OutsideError(
                f"the records in {folder} are damaged: {error.message} Delete that "
                "folder, and build them again: fer-tf data build"
            ) from None


def count(folder: Path) -> int:
    """Return how many records the folder holds."""
    with _reading(folder):
        splits = _builder(folder).info.splits
        return sum(split.num_examples for split in splits.values())


def _reading(folder: Path) -> AbstractContextManager[None]:
    do = "Delete that folder, and build it again: fer-tf data build"
    # TFDS passes on what protobuf raises.
    return files.reading(folder, "a folder of records", do, json_format.Error)


def _builder(folder: Path) -> tfds.core.DatasetBuilder:
    if not folder.exists():
        raise UserError(f"there are no records in {folder}. See: fer-tf data build -h")
    _verify_description(folder)
    return tfds.builder_from_directory(folder)


def _verify_description(folder: Path) -> None:
    """Compare the JSON files of TFDS with what they were when the records were built.

    The records themselves have checksums; a changed description reads them otherwise.
    """
    saved = _saved_fingerprint(folder)
    expected = saved["files"] if saved else {}
    for name in sorted(expected):
        path = folder / name
        if path.suffix == ".json" and files.sha256_of(path) != expected[name]:
            raise UserError(
                f"{path} was damaged or changed since it was built: expected SHA-256 "
                f"{expected[name][:12]}. Delete {folder}, and build it again: fer-tf "
                "data build"
            )


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 of a built source's records, the same on every machine.

    It is computed once, and saved beside the records with the SHA-256 of their files:
    while these are unchanged, the saved one is returned.

    Raises:
        UserError: `folder` holds no records.
        OutsideError: the records are damaged.
    """
    # The bytes of the files depend on the process that wrote them: protobuf orders the
    # features of an example by hash and address.
    built = {path.name: files.sha256_of(path) for path in _files(folder)}
    saved = _saved_fingerprint(folder)
    if built and saved and saved["files"] == built:
        return saved["sha256"]
    content = {"sha256": content_digest(read(folder)), "files": built}
    try:
        files.write_json(folder / FINGERPRINT_FILE, content)
    except OSError as error:
        # Records may lie where nobody writes, such as a read-only share.
        log.debug("The fingerprint of %s is not saved: %s.", folder, error)
    return content["sha256"]


def content_digest(records: Iterable[Record]) -> str:
    """Return the SHA-256 of all fields of some records, in their order."""
    digest = hashlib.sha256()
    for record in records:
        fields = dataclasses.asdict(record)
        image = hashlib.sha256(fields.pop("image")).hexdigest()
        digest.update(files.digest_of({**fields, "image_sha256": image}).encode())
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    """Return the files of a built source, which its fingerprint was computed from."""
    return sorted(
        path
        for path in folder.glob("*")
        if path.name != FINGERPRINT_FILE and not path.name.startswith(".")
    )


def _saved_fingerprint(folder: Path) -> dict[str, Any] | None:
    """Return what `fingerprint` saved; None if it is absent or damaged."""
    try:
        saved = files.read_json(folder / FINGERPRINT_FILE)
        return {name: saved[name] for name in ("sha256", "files")}
    except (UserError, OutsideError, LookupError, TypeError):
        return None


def _version(folder: Path) -> list[int]:
    return [int(part) for part in folder.name.split(".")]


def _record(example: Mapping[str, Any], split: str) -> Record:
    code = int(example["label"])
    return Record(
        key=example["key"].decode(),
        image=example["image"],
        label=labels.CLASSES[code] if code >= 0 else "",
        label_original=example["label_original"].decode(),
        distribution=tuple(example["distribution"].tolist()),
        split=split,
        votes=tuple(example["votes"].tolist()),
        subject=example["subject"].decode(),
        photo=example["photo"].decode(),
        box_xywh_px=tuple(example["box_xywh_px"].tolist()),
        square_xywh_px=tuple(example["square_xywh_px"].tolist()),
    )
