"""The files that join one step of an experiment to the next.

Steps know each other by files alone. This is the only place that knows their names;
`Step` writes down what a step read (paths and SHA-256) beside what it wrote, so that
the same command continues, says it is done, or says why it cannot.
"""

import json
import logging
import platform
import subprocess
import time
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from fer_tf import files
from fer_tf.config import flat
from fer_tf.errors import UserError

log = logging.getLogger(__name__)

STUDENT_STAGES = ("ce", "kd", "dkd")
PACKAGES = (
    "fer-tf",
    "tensorflow",
    "keras",
    "keras-cv",
    "tensorflow-datasets",
    "numpy",
    "opencv-python",
    "ai-edge-litert",
)


@dataclass(frozen=True)
class RunFolder:
    """What training one model leaves: a teacher's folder, or a student's."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The resumable state of training."""
        return self.path / "checkpoints"

    @property
    def asked(self) -> Path:
        """The record of the step that trains it: what it was asked, and of what."""
        return self.path / "train.json"

    @property
    def weights(self) -> Path:
        """The best model, as `keras.Model.save_weights` writes it."""
        return self.path / "best.weights.h5"

    @property
    def training(self) -> Path:
        """Which epoch was best, and its validation figures."""
        return self.path / "training.json"

    @property
    def log(self) -> Path:
        """What training said of each epoch, a line each, and when."""
        return self.path / "train.log"

    @property
    def predictions(self) -> Path:
        """Logits by key: see `fer_tf.predictions`."""
        return self.path / "predictions.npz"

    @property
    def answered(self) -> Path:
        """The record of the step that writes `predictions`."""
        return self.path / "predict.json"

    @property
    def calibration(self) -> Path:
        """Temperature and abstain threshold, with the split they were fitted on."""
        return self.path / "calibration.json"

    def fold(self, index: int) -> "RunFolder":
        """A teacher's model that was not shown a fold of the training pictures."""
        return RunFolder(self.path / f"fold-{index}")

    @property
    def calibrated(self) -> Path:
        """The record of the step that writes `calibration`."""
        return self.path / "steps" / "calibrate.json"

    @property
    def evaluated(self) -> Path:
        """The record of the step that writes `metrics`."""
        return self.path / "steps" / "evaluate.json"

    @property
    def judgement(self) -> Path:
        """Whether a distilled student's teachers are shown to beat what they teach."""
        return self.path / "judgement.json"

    @property
    def metrics(self) -> Path:
        """Figures by split, raw and calibrated."""
        return self.path / "metrics.json"


@dataclass(frozen=True)
class Experiment:
    """The folder of one experiment, `DIR/<experiment>/`.

    Attributes:
        accept_changes: go on with training that began from something else.
    """

    root: Path
    accept_changes: bool = False

    @property
    def config(self) -> Path:
        """The resolved recipe."""
        return self.root / "config.yaml"

    @property
    def manifest(self) -> Path:
        """One row per record; `manifest.json` beside it is its report."""
        return self.root / "manifest.csv"

    @property
    def framing(self) -> Path:
        """The framing fitted on training pictures."""
        return self.root / "framing.json"

    def teacher(self, name: str) -> RunFolder:
        """The folder of the teacher whose model is `name`."""
        return RunFolder(self.root / "teachers" / name)

    def student(self, stage: str) -> RunFolder:
        """The folder of the student after `stage`: ce, kd or dkd."""
        return RunFolder(self.root / f"student-{stage}")

    def has_begun(self) -> bool:
        """Tell whether the training of any model was begun."""
        return any(self.root.rglob(RunFolder(self.root).asked.name))

    def students(self) -> dict[str, RunFolder]:
        """The students that have been trained, by stage."""
        folders = {stage: self.student(stage) for stage in STUDENT_STAGES}
        return {name: run for name, run in folders.items() if run.training.exists()}

    @property
    def fused(self) -> RunFolder:
        """The fused teachers' predictions, calibration and metrics."""
        return RunFolder(self.root / "soft_labels")

    @property
    def soft_labels(self) -> Path:
        """The fused, calibrated answers for every training picture and view."""
        return self.fused.path / "soft_labels.npz"

    @property
    def bundle(self) -> Path:
        """The exported bundle."""
        return self.root / "bundle"

    @property
    def live(self) -> Path:
        """The session of the clip that `fer-tf run` ends with."""
        return self.root / "live"

    @property
    def report(self) -> Path:
        """The report as JSON; the page is `report.html` beside it."""
        return self.root / "report.json"

    def need(self, path: Path, command: str) -> Path:
        """Return `path` if it is there, else say which command makes it."""
        if not path.exists():
            raise UserError(f"{path} does not exist yet. Make it with: {command}")
        return path


class Step:
    """One step: what it was asked, what it read, and whether it is done.

    Args:
        record: the JSON file in which the step's record is kept.
        settings: what the step was asked, as JSON-able values.
        inputs: the files it reads.
        accept_changes: take what was made of other settings or inputs for begun, not
            for a mistake; the record lists what has changed.
        goes_on_in: the folder from which it goes on when it was stopped, if it does.
    """

    def __init__(
        self,
        record: Path,
        settings: Mapping[str, Any],
        inputs: Iterable[Path] = (),
        accept_changes: bool = False,
        goes_on_in: Path | None = None,
    ) -> None:
        self.record = record
        self._goes_on_in = goes_on_in
        # As JSON gives it back: a tuple that was written is a list when read.
        self.settings = json.loads(json.dumps(settings))
        self.inputs = _digests(inputs)
        self._accept_changes = accept_changes
        self._accepted: list[str] = []
        self._started = time.monotonic()

    def is_done(self) -> bool:
        """Tell whether this very step has been finished before.

        Raises:
            UserError: it was started from other settings or other inputs: nothing is
                overwritten, nothing is mixed. One that goes on where it was stopped is
                let begin anew as long as there is nothing to go on from.
        """
        if not self.record.exists():
            files.write_json(self.record, self._content(done=False))
            return False
        before = files.read_json(self.record)
        self._accepted = before.get("accepted_changes", [])
        changed = [
            *differences(flat(before["settings"]), flat(self.settings)),
            *differences(_by_last_names(before["inputs"]), _by_last_names(self.inputs)),
        ]
        if changed and not before["done"] and self._is_bare():
            files.write_json(self.record, self._content(done=False))
            return False
        if changed and not self._accept_changes:
            raise UserError(
                f"{self.record.parent} was made differently: {'; '.join(changed)}. "
                "Give another `experiment=` name; or, to have it made anew, delete "
                f"{self._goes_on_in or self.record}."
            )
        if changed:
            log.warning("%s goes on though %s.", self.record.parent, "; ".join(changed))
            self._accepted = [*self._accepted, *changed]
            files.write_json(self.record, self._content(done=False))
            return False
        if before["done"]:
            log.info("%s is done.", self.record.with_suffix(""))
        return before["done"]

    def finish(self, outputs: Iterable[Path]) -> None:
        """Write down that the step is done and what it wrote."""
        content = self._content(done=True)
        content["outputs"] = _digests(outputs)
        files.write_json(self.record, content)

    def _is_bare(self) -> bool:
        """Tell whether there is a folder to go on in, and nothing to go on from."""
        if self._goes_on_in is None:
            return False
        return not any(RunFolder(self._goes_on_in).checkpoints.glob("*"))

    def _content(self, done: bool) -> dict[str, Any]:
        return {
            "done": done,
            "settings": self.settings,
            "inputs": self.inputs,
            "accepted_changes": self._accepted,
            "seconds": round(time.monotonic() - self._started, 1),
            "environment": environment(),
        }


def _digests(paths: Iterable[Path]) -> dict[str, str]:
    """Return files' SHA-256 by their last names: two, or more to tell them apart."""
    paths = list(dict.fromkeys(paths))
    for path in paths:
        if not path.is_file():
            raise UserError(
                f"there is no {path}. If a step that is done wrote it, delete that "
                f"step's record in {path.parent}, and run it again."
            )
    depth = 2
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return {"/".join(path.parts[-depth:]): files.sha256_of(path) for path in paths}


def _by_last_names(digests: Mapping[str, str]) -> Mapping[str, str]:
    """Return digests by the last name alone, if that tells them apart.

    An experiment's folder may be renamed, or copied.
    """
    short = {name.rpartition("/")[2]: digest for name, digest in digests.items()}
    return short if len(short) == len(digests) else digests


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what of some flat settings is not what it was, sorted by name."""
    names = sorted({*before, *now})
    return [
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def environment() -> dict[str, Any]:
    """Return the versions and the commit that a figure depends on."""
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "commit": git_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git_commit() -> str:
    """Return the commit of the code, with `-dirty` if it was changed since, or ""."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    folder = Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
