"""Files in a corpus' folder: found, and read without trust."""

from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from pathlib import PurePosixPath
from pathlib import PureWindowsPath

from fer_tf import image_files
from fer_tf import picture
from fer_tf.errors import UserError

# Programs of all kinds read these; an image of another format is stored as PNG.
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

    Both slashes part folders, as on Windows, where many label files are written.

    Raises:
        ValueError: The name is absolute, climbs with `..`, or is a link to somewhere
            else.
    """
    # Windows' rules are the stricter ones: both slashes part, and drives count.
    path = PureWindowsPath(name)
    if path.anchor or ".." in path.parts:
        raise ValueError(
            f"expected a path relative to {folder.name}/, received {name[:80]!r}."
        )
    found = folder / name
    try:
        if "\\" in name and not found.exists():
            found = folder / path.as_posix()
        within = found.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        # Too long a name, or links in a circle.
        raise ValueError(f"the path {name[:80]!r} cannot be followed.") from None
    if not within:
        raise ValueError(f"{name[:80]!r} is a link that leaves its folder.")
    return found


def posix(name: str) -> str:
    """Return a relative path of a label file in one way, however it was written.

    >>> posix("a\\\\b.jpg"), posix("./a//b.jpg")
    ('a/b.jpg', 'a/b.jpg')
    """
    return PurePosixPath(name.replace("\\", "/")).as_posix()


def image(folder: Path, name: str) -> picture.Decoded:
    """Return the image `name` in `folder`, decoded.

    Raises:
        ValueError: As `inside`; or the image is missing, damaged or animated.
    """
    return _decoded(name, _read(folder, name, image_files.read_image_file))


def encoded(folder: Path, name: str) -> tuple[bytes, str]:
    """Return the image `name` in `folder`, and what it was converted from.

    A PNG or a JPEG that needs no conversion is returned in its publisher's own bytes;
    any other image is encoded as PNG, so that every program sees the same pixels.

    Raises:
        ValueError: As `image`.
    """
    data = _read(folder, name, image_files.read_image_file)
    decoded = _decoded(name, data)
    if data.startswith(STORED_AS_IS) and not decoded.converted:
        return data, ""
    return picture.encode_png(decoded.pixels), decoded.converted


def read_bytes(folder: Path, name: str) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        ValueError: As `inside`; or the file is missing, or cannot be read.
    """
    return _read(folder, name, _all_bytes)


def _all_bytes(path: Path) -> bytes:
    with image_files.open_regular(path) as file:
        return file.read()


def _read(folder: Path, name: str, read: Callable[[Path], bytes]) -> bytes:
    path = inside(folder, name)
    try:
        return read(path)
    except FileNotFoundError:
        raise ValueError(
            f"there is no file {name[:80]}{_other_case(path)}."
        ) from None
    except OSError as error:
        raise ValueError(f"{name[:80]} cannot be read: {error.strerror}.") from None


def _decoded(name: str, data: bytes) -> picture.Decoded:
    try:
        return picture.read_still(data)
    except ValueError as error:
        raise ValueError(f"{name[:80]}: {error}") from None


def _other_case(path: Path) -> str:
    """Return a hint where only upper and lower case of the file's name differ."""
    try:
        names = [each.name for each in path.parent.iterdir()]
    except OSError:
        return ""
    alike = [each for each in names if each.lower() == path.name.lower()]
    return f"; {alike[0]} differs in upper and lower case only" if alike else ""
