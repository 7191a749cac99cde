"""What the command line prints: text in which no name can give the terminal orders.

Names of files, bundles and sources may come from others. A terminal obeys escape
sequences in them, bidirectional marks make a name look like another, and a line break
makes one look like a message of its own.
"""

import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.text import Text

# Control and formatting characters, lone surrogates, line and paragraph separators.
_UNSAFE_CATEGORIES = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])
# They join and separate letters of several scripts and parts of emoji.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    r"""Return text whose unsafe characters are written as escapes, line breaks stay.

    >>> printable("\x1b[31mred\n")
    '\\x1b[31mred\n'
    """
    return _escaped(text, keep="\n\t")


def one_line(text: str) -> str:
    r"""Return text as `printable` does, with line breaks and tabs as escapes as well.

    >>> one_line("a.jpg\nerror: no such disk")
    'a.jpg\\nerror: no such disk'
    """
    return _escaped(text, keep="")


def _escaped(text: str, keep: str) -> str:
    keep += _JOINERS
    return "".join(
        letter
        if letter in keep or unicodedata.category(letter) not in _UNSAFE_CATEGORIES
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def say(text: object, err: bool = False) -> None:
    """Print text and a line break on standard output, or on standard error."""
    click.echo(printable(str(text)), err=err)


def say_error(error: object) -> None:
    """Print an error on standard error.

    Further lines are indented, so that a line break in a name begins no second error.
    """
    text = printable(str(error)).replace("\n", "\n  ")
    click.echo(f"error: {text}", err=True)


def cell(text: object) -> Text:
    """Return text for a table of rich, in which `[red]` is these five characters."""
    return Text(one_line(str(text)))


def show(renderable: Any) -> None:
    """Print what rich renders, such as a table, on standard output."""
    Console(markup=False).print(renderable)


@contextmanager
def escaped_usage_errors() -> Iterator[None]:
    """Escape what click repeats of the command line in its errors."""
    try:
        yield
    except click.ClickException as error:
        error.message = one_line(error.message or "")
        raise


class LogFormatter(logging.Formatter):
    """Formats a log record as one line, and a stack trace below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the message in one line."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """Return a stack trace."""
        return printable(super().formatException(ei))
