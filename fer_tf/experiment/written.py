"""Whether files are still what the stages that wrote them recorded."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from pathlib import PurePosixPath
from typing import Any

from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.experiment.folders import Experiment
from fer_tf.experiment.folders import RunFolder


@dataclass(frozen=True)
class StepRecord:
    """What a stage has recorded in its JSON file.

    Attributes:
        done: whether the stage has finished.
        settings: the part of the config that the stage depends on.
        inputs: SHA-256 of the files that the stage read, by their last names.
        outputs: SHA-256 of the files that the stage wrote, by their last names.
        accepted_changes: differences that `--accept-changes` allowed.
        environment: versions and commit of the code.
    """

    done: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    accepted_changes: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "StepRecord":
        """Read the record of a stage.

        Raises:
            UserError: the file is missing or damaged, or is not such a record.
            OutsideError: the operating system cannot read the file.
        """
        do = "Restore it from a copy, or delete it and run the stage again."
        content = files.read_json(path)
        with files.reading(path, "the record of a stage", do):
            record = cls(
                done=content.get("done", False) is True,
                settings=dict(content.get("settings", {})),
                inputs=_digests(content.get("inputs", {})),
                outputs=_digests(content.get("outputs", {})),
                accepted_changes=tuple(map(str, content.get("accepted_changes", ()))),
                environment=dict(content.get("environment", {})),
            )
        return record

    def output(self, path: Path) -> str | None:
        """Return the recorded SHA-256 of a file that the stage wrote; None if none."""
        listed = {
            PurePosixPath(name): digest
            for name, digest in self.outputs.items()
            if PurePosixPath(name).name == path.name
        }
        if len(listed) > 1:
            listed = {
                name: digest
                for name, digest in listed.items()
                if name.parent.name == path.parent.name
            }
        return next(iter(listed.values()), None)

    def inputs_beside(self, path: Path) -> dict[Path, str]:
        """Return the recorded SHA-256 of the inputs in the folder of `path`."""
        return {
            path.parent / PurePosixPath(name).name: digest
            for name, digest in self.inputs.items()
            if PurePosixPath(name).parent.name == path.parent.name
            # A folder of the same name elsewhere, from which the file was copied.
            and name not in self.outputs
        }


def _digests(content: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(digest) for name, digest in content.items()}


def verify(paths: Iterable[Path]) -> None:
    """Compare files with the digests that the stages that wrote them recorded.

    The files of one folder belong together: a file is stale as well when a file in its
    folder, which it was made from, has changed since. Files that are missing, and files
    that no record lists, such as a manifest that was copied into the experiment, pass.

    Raises:
        UserError: a file has changed since it was recorded, or its stage has not
            finished. The message names the file, the record and the command to run.
    """
    verified: set[Path] = set()
    for path in paths:
        _verify(path.absolute(), verified)


def _verify(path: Path, verified: set[Path]) -> None:
    if path in verified or not path.is_file():
        return
    verified.add(path)
    for location in _records_of(path):
        record = StepRecord.load(location)
        if not record.done:
            raise UserError(
                f"{path} is not final: the stage that writes it has not finished, as "
                f"{location} says. Run: {_command(location)}"
            )
        expected = record.output(path)
        if expected is None:
            continue
        check_digest(path, expected, location)
        for source, digest in record.inputs_beside(path).items():
            if source.is_file():
                check_digest(source, digest, location, made=path)
            _verify(source, verified)
        return


def accept(path: Path) -> None:
    """Record the digest that a file has now, after it was edited on purpose."""
    for location in _records_of(path.absolute()):
        content = files.read_json(location)
        outputs = StepRecord.load(location).outputs
        content["outputs"] = {
            name: files.sha256_of(path)
            if PurePosixPath(name).name == path.name
            else digest
            for name, digest in outputs.items()
        }
        files.write_json(location, content)


def check_digest(
    path: Path, expected: str, record: Path, made: Path | None = None
) -> None:
    """Raise UserError unless the SHA-256 of `path` is as a record expects.

    Args:
        path: the file.
        expected: the recorded SHA-256.
        record: the record of the stage.
        made: the file that the stage made from `path`; None if it wrote `path` itself.
    """
    received = files.sha256_of(path)
    if received == expected:
        return
    what = f"made {made.name} from it" if made else "wrote it"
    raise UserError(
        f"{path} has changed since the stage of {record} {what}: expected SHA-256 "
        f"{expected[:12]}, received {received[:12]}. Restore the file from a copy; or, "
        f"to make {(made or path).name} again, delete {_to_delete(record, path, made)} "
        f"and run: {_command(record)}"
    )


def _records_of(path: Path) -> Iterator[Path]:
    """Yield the existing records of the stages that may have written a file."""
    run, experiment = RunFolder(path.parent), Experiment(path.parent)
    fused = Experiment(path.parent.parent.parent).fused
    possible: dict[str, tuple[Path, ...]] = {
        run.weights.name: (run.asked,),
        run.training.name: (run.asked,),
        run.judgement.name: (run.asked,),
        run.predictions.name: (run.answered, run.fused, run.stored, fused.stored),
        run.calibration.name: (run.calibrated,),
        run.metrics.name: (run.evaluated,),
        experiment.soft_labels.name: (run.fused,),
        experiment.soft_labels.with_suffix(".json").name: (run.fused,),
        experiment.manifest.name: (experiment.cleaned,),
        experiment.manifest.with_suffix(".json").name: (experiment.cleaned,),
        experiment.framing.name: (experiment.framed,),
    }
    if path.parent.name == experiment.bundle.name:
        possible[path.name] = (Experiment(path.parent.parent).exported,)
    for record in possible.get(path.name, ()):
        if record.is_file():
            yield record


def _to_delete(record: Path, path: Path, made: Path | None) -> Path:
    # A model is trained again from nothing: its checkpoints would restore the end.
    trained = RunFolder(path.parent)
    return trained.path if path == trained.weights and not made else record


# Of a run's folder, by its name; those of all other folders train a teacher.
_TRAIN = {
    "student-ce": "fer-tf train --stage student",
    "student-kd": "fer-tf distill --loss kd",
    "student-dkd": "fer-tf distill --loss dkd",
}
_COMMANDS = {
    "answers.json": "fer-tf fuse",
    "calibrate.json": "fer-tf calibrate",
    "clean.json": "fer-tf run",
    "evaluate.json": "fer-tf evaluate",
    "framing.json": "fer-tf export",
    "fuse.json": "fer-tf fuse",
    "step.json": "fer-tf export",
}


def _command(record: Path) -> str:
    """Return the command that runs the stage of a record."""
    if record.name in _COMMANDS:
        return _COMMANDS[record.name]
    if record.parent.parent.name == "evaluations":
        return "fer-tf evaluate MODEL"
    return _TRAIN.get(record.parent.name, "fer-tf train --stage teachers")
