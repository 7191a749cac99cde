"""Rows that cannot be read: named, counted, and too many of them stop the run."""

import logging
from collections.abc import Callable
from typing import Any
from typing import TypeVar

from fer_tf.errors import UserError

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
    """

    def __init__(self, corpus: str) -> None:
        self.corpus = corpus
        self.attempted = 0
        self.rejected: dict[str, str] = {}
        self.keys: set[str] = set()

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
        """Return the counts and the rejects, ready for JSON."""
        return {"attempted": self.attempted, "rejected": self.rejected}

    def _reject(self, where: str, reason: str) -> None:
        where, reason = _plain(where), _plain(reason)[:LONGEST_REASON]
        log.warning("%s: %s is left out: %s", self.corpus, where, reason)
        self.rejected[where] = reason
        if len(self.rejected) > PATIENCE:
            self.check()


def _plain(text: str) -> str:
    """Return the text without what a terminal would obey, or UTF-8 cannot hold."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
