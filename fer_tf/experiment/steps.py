"""The record of a stage: what it was asked, what it read, and whether it is done.

The same command continues, says that it is done, or says why it cannot.
"""

import json
import logging
import time
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_tf import files
from fer_tf.config import flat
from fer_tf.errors import UserError
from fer_tf.experiment.environment import environment
from fer_tf.experiment.folders import RunFolder
from fer_tf.experiment.written import StepRecord
from fer_tf.experiment.written import check_digest
from fer_tf.experiment.written import verify

log = logging.getLogger(__name__)


class Step:
    """One step: what it was asked, what it read, and whether it is done.

    Args:
        record: the JSON file in which the step's record is kept.
        settings: what the step was asked, as JSON-able values.
        inputs: the files it reads. They must be as the stages that wrote them recorded.
        accept_changes: take what was made of other settings or inputs for begun, not
            for a mistake; the record lists what has changed.
        goes_on_in: the folder from which it goes on when it was stopped, if it does.

    Raises:
        UserError: an input is missing, or has changed since it was written.
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
        inputs = list(dict.fromkeys(inputs))
        self.inputs = _digests(inputs)
        verify(inputs)
        self._accept_changes = accept_changes
        self._accepted: list[str] = []
        self._started = time.monotonic()

    def is_done(self) -> bool:
        """Tell whether this very step has been finished before.

        Raises:
            UserError: what it wrote has changed since; or it was started from other
                settings or other inputs: nothing is overwritten, nothing is mixed. One
                that resumes may begin again while there is nothing to resume from.
        """
        if not self.record.exists():
            files.write_json(self.record, self._content(done=False))
            return False
        before = StepRecord.load(self.record)
        self._accepted = list(before.accepted_changes)
        changed = [
            *differences(flat(before.settings), flat(self.settings)),
            *differences(_by_last_names(before.inputs), _by_last_names(self.inputs)),
        ]
        if changed and not before.done and self._is_bare():
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
        if before.done:
            self._check_outputs(before)
            log.info("%s is done.", self.record.with_suffix(""))
        return before.done

    def _check_outputs(self, before: StepRecord) -> None:
        """Compare what the stage wrote with its record, as far as it can be found."""
        for name, digest in before.outputs.items():
            for folder in self.record.absolute().parents[1:4]:
                if (folder / name).is_file():
                    check_digest(folder / name, digest, self.record)
                    break

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
    paths = list(paths)
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
