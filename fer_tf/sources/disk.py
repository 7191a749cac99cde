"""What lies in a corpus' folder: found, and read without trust."""

from collections.abc import Sequence
from pathlib import Path
from pathlib import PureWindowsPath

import numpy as np

from fer_tf import picture
from fer_tf.errors import UserError

# Programs of all kinds read these; a picture of another format is stored as PNG.
STORED_AS_IS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def find(corpus: str, folders: Sequence[Path], needs: Sequence[str]) -> Path:
    """Return the first of `folders` that has all that the corpus `needs`.

    Raises:
        UserError: none has; it names what is missing, and where.
    """
    missing = {
        folder: [name for name in needs if not (folder / name).exists()]
        for folder in folders
    }
    nearest = min(folders, key=lambda folder: len(missing[folder]))
    if missing[nearest]:
        raise UserError(
            f"{corpus} needs {' and '.join(needs)} in "
            f"{' or in '.join(map(str, folders))}; missing: "
            f"{', '.join(str(nearest / name) for name in missing[nearest])}."
        )
    return nearest


def inside(folder: Path, name: str) -> Path:
    """Return the path that a label file calls `name`, which must lie in `folder`.

    Raises:
        ValueError: it is absolute, climbs with `..`, or is a link to somewhere else.
    """
    # Windows' rules are the stricter ones: both slashes part, and drives count.
    path = PureWindowsPath(name)
    if path.anchor or ".." in path.parts:
        raise ValueError(f"expected a path below its folder, received {name[:80]!r}.")
    try:
        within = (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        # Too long a name, or links in a circle.
        raise ValueError(f"the path {name[:80]!r} cannot be followed.") from None
    if not within:
        raise ValueError(f"{name[:80]!r} is a link that leaves its folder.")
    return folder / name


def pixels(folder: Path, name: str) -> np.ndarray:
    """Return the picture `name` in `folder`, uint8 [height, width, 3], RGB.

    Raises:
        ValueError: as `inside`; or it is missing, or nothing a corpus may hold.
    """
    return _decoded(name, read_bytes(folder, name))


def encoded(folder: Path, name: str) -> bytes:
    """Return the picture `name` in `folder`, checked, in its publisher's own bytes.

    One that is neither PNG nor JPEG is encoded as PNG. Errors as in `pixels`.
    """
    data = read_bytes(folder, name)
    decoded = _decoded(name, data)
    return data if data.startswith(STORED_AS_IS) else picture.encode_png(decoded)


def read_bytes(folder: Path, name: str) -> bytes:
    """Return a file's bytes; ValueError as in `inside`, or where it cannot be read."""
    path = inside(folder, name)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"there is no file {name[:80]}.") from None
    except OSError as error:
        raise ValueError(f"{name[:80]} cannot be read: {error.strerror}.") from None


def _decoded(name: str, data: bytes) -> np.ndarray:
    try:
        return picture.decode_strict(data)
    except ValueError as error:
        raise ValueError(f"{name[:80]}: {error}") from None
