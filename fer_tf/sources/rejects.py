"""What a build reports: rejected rows, of which too many stop it, and all that it did.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any
from typing import TypeVar

from fer_tf import image_files
from fer_tf.errors import UserError
from fer_tf.sources.record import Record

# More than this part of the rows unreadable is not a slip: it is another layout.
MOST_REJECTED = 0.01
# Before so many are rejected, a run is only stopped at its end.
PATIENCE = 10
SHOWN = 5
LONGEST_REASON = 300

Made = TypeVar("Made")
log = logging.getLogger(__name__)


class Rejects:
    """What could not be read while a corpus was, over all passes of one run.

    Attributes:
        corpus: whose rows they are.
        attempted: how many rows were tried.
        rejected: where each reject is, relative to the corpus' folder, and why.
        keys: the keys of the records that were read.
        skipped: Why a file or folder was no row, by its path in the corpus' folder.
        notes: How many records have each of `Record.notes`.
        classes: The class that each of the publisher's labels was mapped to; "" for
            none of ours.
        layout: Which of the corpus' layouts was recognized.
    """

    def __init__(self, corpus: str) -> None:
        self.corpus = corpus
        self.attempted = 0
        self.rejected: dict[str, str] = {}
        self.keys: set[str] = set()
        self.skipped: dict[str, str] = {}
        self.notes: Counter[str] = Counter()
        self.classes: dict[str, str] = {}
        self.layout = ""

    def attempt(
        self, where: str, make: Callable[..., Made], *args: Any
    ) -> Made | None:
        """Return `make(*args)`; a ValueError becomes a reject, and None is returned.

        Args:
            where: file and row, relative to the corpus' folder.

        Raises:
            UserError: more than `PATIENCE` and more than `MOST_REJECTED` of the rows
                tried so far were rejected; or `make` raised one.
        """
        self.attempted += 1
        try:
            return make(*args)
        except UserError:
            raise
        except ValueError as error:
            self._reject(where, str(error))
            return None

    def skip(self, where: str, why: str) -> None:
        """Count a file or folder that is not a row of the corpus."""
        self.skipped[_plain(where)] = why

    def note(self, record: Record) -> None:
        """Count a record that was read."""
        self.classes[record.label_original] = record.label
        self.notes.update(record.notes)

    def check(self) -> None:
        """Stop the run if more than `MOST_REJECTED` of the rows so far were rejected.

        Raises:
            UserError: they were; it names the first ones.
        """
        if len(self.rejected) > MOST_REJECTED * self.attempted:
            first = list(self.rejected.items())[:SHOWN]
            shown = "\n".join(f"  {where}: {reason}" for where, reason in first)
            raise UserError(
                f"{self.corpus}: {len(self.rejected)} of {self.attempted} rows cannot "
                f"be read, more than {MOST_REJECTED:.0%}. The first of them:\n{shown}\n"
                "Correct or remove these rows, or get the corpus anew and lay it out "
                "as its builder's README.md says."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return all that is reported, ready for JSON."""
        return {
            "attempted": self.attempted,
            "rejected": self.rejected,
            "skipped": self.skipped,
            "notes": dict(sorted(self.notes.items())),
            "classes": dict(sorted(self.classes.items())),
            "layout": self.layout,
        }

    def log_report(self) -> None:
        """Log the layout, the mapping of labels, and what was skipped or converted."""
        classes = ", ".join(
            f"{name} = {label or 'excluded'}"
            for name, label in sorted(self.classes.items())
        )
        log.info("%s: read as %s.", self.corpus, self.layout or "published")
        log.info("%s: labels: %s.", self.corpus, classes)
        for note, count in sorted(self.notes.items()):
            log.info("%s: %d images: %s.", self.corpus, count, note)
        for line in image_files.counted(self.skipped):
            log.info("%s: %s", self.corpus, line)

    def _reject(self, where: str, reason: str) -> None:
        where, reason = _plain(where), _plain(reason)[:LONGEST_REASON]
        log.warning("%s: %s is left out: %s", self.corpus, where, reason)
        self.rejected[where] = reason
        if len(self.rejected) > PATIENCE:
            self.check()


def _plain(text: str) -> str:
    """Return the text without what a terminal would obey, or UTF-8 cannot hold."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
