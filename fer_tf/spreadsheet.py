"""Cells of CSV files that no spreadsheet program runs as a formula.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return may be run when
the file is opened (OWASP, "CSV injection"). A path gets `./` before it, which is the
same path. Other text gets an apostrophe, which `plain` takes away.
"""

import re

_FORMULA = re.compile(r"[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")
# A negative number is calculated to itself.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def path_cell(path: str) -> str:
    """Return a path for a cell of a CSV file: the same path, and no formula.

    >>> path_cell("=1+1.jpg")
    './=1+1.jpg'
    """
    return f"./{path}" if _FORMULA.match(path) else path


def cell(text: str) -> str:
    """Return text for a cell of a CSV file; `plain` returns the text again.

    >>> cell("=1+1"), cell("-1"), cell("happy")
    ("'=1+1", '-1', 'happy')
    """
    if _NUMBER.fullmatch(text):
        return text
    # What looks like an escaped text is escaped once more, so nothing is lost.
    return f"'{text}" if _FORMULA.match(text) or _ESCAPED.match(text) else text


def plain(cell: str) -> str:
    """Return the text that `cell` made a cell of.

    >>> plain("'=1+1"), plain("'tis")
    ('=1+1', "'tis")
    """
    return cell[1:] if _ESCAPED.match(cell) else cell
