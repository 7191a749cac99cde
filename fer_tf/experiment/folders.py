"""The names of the files that join one stage of an experiment to the next.

Stages know each other by files alone, and this is the only place that knows the names.
"""

from dataclasses import dataclass
from pathlib import Path

from fer_tf.errors import UserError

STUDENT_STAGES = ("ce", "kd", "dkd")


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
    def fused(self) -> Path:
        """The record of the step that fuses the teachers, in the fused run's folder."""
        return self.path / "fuse.json"

    @property
    def stored(self) -> Path:
        """The record of the step that takes stored predictions, in the same folder."""
        return self.path / "answers.json"

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

    @property
    def cleaned(self) -> Path:
        """The record of the step that writes `manifest`."""
        return self.root / "steps" / "clean.json"

    @property
    def framed(self) -> Path:
        """The record of the step that writes `framing`."""
        return self.root / "steps" / "framing.json"

    @property
    def exported(self) -> Path:
        """The record of the step that writes `bundle`.

        It has a folder of its own, which is deleted to export again.
        """
        return self.root / "steps" / "export" / "step.json"

    @property
    def rehearsed(self) -> Path:
        """The record of the step that writes `live`."""
        return self.root / "steps" / "live.json"

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
