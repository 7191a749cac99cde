"""The types of path that commands take: what is plainly wrong is refused at once."""

from pathlib import Path
from typing import Any

import click


class NamedPath(click.Path):
    """A path that is not empty: an empty one is a shell variable that is not set.

    The working folder, for which an empty path would stand, is `.`.
    """

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return the path."""
        if not str(value):
            self.fail("the path is empty; expected a path, or . for this folder.")
        return super().convert(value, param, ctx)


class OutputPath(NamedPath):
    """The path of a file to be written: a regular file, or a new one in a folder."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return the path."""
        path = Path(super().convert(value, param, ctx))
        if path.exists() and not path.is_file():
            self.fail(f"{str(path)!r} is not a regular file; expected a file's path.")
        above = next((each for each in path.parents if each.exists()), None)
        if above is not None and not above.is_dir():
            self.fail(f"{str(above)!r} is a file; expected a folder for {path.name!r}.")
        return path


FOLDER = NamedPath(path_type=Path, file_okay=False)
FILE = NamedPath(path_type=Path, dir_okay=False)
OUT_FILE = OutputPath(path_type=Path, dir_okay=False)
PATH = NamedPath(path_type=Path)
# What must be there.
EXISTING = NamedPath(path_type=Path, exists=True)
EXISTING_FOLDER = NamedPath(path_type=Path, exists=True, file_okay=False)
EXISTING_FILE = NamedPath(path_type=Path, exists=True, dir_okay=False)
