"""Find and open image files: one folder walk and one content test for all readers."""

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from typing import BinaryIO

# A file with such a name is tried, so that a damaged one is reported by name.
SUFFIXES = frozenset(
    (
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".png",
        ".tif",
        ".tiff",
        ".webp",
    )
)
# Motion JPEG begins as a JPEG image does, and is a video.
VIDEO_SUFFIXES = frozenset((".mjpeg", ".mjpg"))
# Files and folders that operating systems, NAS boxes and archives leave behind.
SYSTEM_NAMES = frozenset(
    (
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recycle",
        "@tmp",
        "__macosx",
        "__pycache__",
        "desktop.ini",
        "ehthumbs.db",
        "lost+found",
        "system volume information",
        "thumbs.db",
    )
)
HIDDEN = "hidden or a system's own"
HEAD_BYTES = 64
# So many names are listed of the files that were skipped for one reason.
MAX_NAMES = 5
# More than any image holds whose pixels are decoded.
MAX_FILE_BYTES = 310_000_000
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    # Images that are recognized and cannot be decoded.
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
)
_HEIF_BRANDS = frozenset(
    (b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")
)
_DIB_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)


@dataclass
class Walk:
    """The files of a folder and of all folders below it.

    Attributes:
        images: Files that are images by content or by name, sorted.
        skipped: Why a file or folder was not read, by its path.
    """

    images: list[Path] = field(default_factory=list)
    skipped: dict[Path, str] = field(default_factory=dict)


def counted(skipped: Mapping[Any, str]) -> list[str]:
    """Return a line for each reason of `Walk.skipped`: how often, and the first names.

    Args:
        skipped: Reasons by path, or by the name of a path.
    """
    names: dict[str, list[str]] = {}
    for path, reason in skipped.items():
        names.setdefault(reason, []).append(_printable(str(path)))
    return [
        f"{len(those)} skipped, {reason}: {', '.join(those[:MAX_NAMES])}"
        f"{', ...' if len(those) > MAX_NAMES else ''}"
        for reason, those in sorted(names.items())
    ]


def format_of(head: bytes) -> str:
    """Return the image format that the first bytes of a file announce; "" if none.

    Args:
        head: The first `HEAD_BYTES` of the file, or more.
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    # Two letters alone would make an image of many a text.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _DIB_HEADER_BYTES:
        return "BMP"
    return _iso_format(head) if head[4:8] == b"ftyp" else ""


def is_image(path: Path) -> bool:
    """Return whether a regular file is an image by its content or its name."""
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return False
    with open_regular(path) as file:
        return bool(format_of(file.read(HEAD_BYTES)))


def walk(folder: Path) -> Walk:
    """Find the images in a folder and below it.

    Hidden files and folders, and what systems leave behind, are skipped; links to
    folders are not followed, since they may lead in circles.
    """
    found = Walk()
    folders = [folder]
    while folders:
        here = folders.pop()
        try:
            entries = sorted(here.iterdir())
        except OSError as error:
            found.skipped[here] = f"the folder cannot be read: {error.strerror}"
            continue
        for path in entries:
            if reason := _why_skipped(path):
                found.skipped[path] = reason
            elif path.is_dir():
                folders.append(path)
            else:
                found.images.append(path)
    found.images.sort()
    return found


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder that are neither hidden nor the system's, sorted.

    A link to a folder is one of them.
    """
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)
    )


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is hidden or the system's own."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading bytes.

    A link to a regular file is opened; a FIFO, a socket or a device is not, since
    reading it may wait for ever.

    Raises:
        OSError: The file cannot be opened, or is not a regular file.
    """
    kind = kind_of(path)
    if kind not in ("a regular file", "missing"):
        raise OSError(errno.EINVAL, f"it is {kind}, expected a file", str(path))
    # Without O_NONBLOCK a FIFO that has just taken its place would be waited for.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file any more", str(path))
    return os.fdopen(descriptor, "rb")


def read_image_file(path: Path) -> bytes:
    """Return the bytes of an image file.

    What is no image by its first bytes is not read any further: it may be a video.

    Raises:
        OSError: The file cannot be read, or is not a regular file.
        ValueError: The file is larger than `MAX_FILE_BYTES`.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(HEAD_BYTES)
        if not format_of(head):
            return head
        if size > MAX_FILE_BYTES:
            raise ValueError(
                f"the file has {size:,} bytes, expected at most {MAX_FILE_BYTES:,}."
            )
        return head + file.read(MAX_FILE_BYTES)


def kind_of(path: Path) -> str:
    """Return what a path is, with its article: "a regular file", "a FIFO"."""
    kinds = {
        "a regular file": path.is_file,
        "a folder": path.is_dir,
        "a FIFO": path.is_fifo,
        "a socket": path.is_socket,
        "a device": lambda: path.is_char_device() or path.is_block_device(),
        "a broken link": path.is_symlink,
    }
    return next((name for name, test in kinds.items() if test()), "missing")


def _why_skipped(path: Path) -> str:
    """Return why a walk skips a path; "" for an image and a folder to descend into."""
    if is_hidden(path.name):
        return HIDDEN
    try:
        if path.is_dir():
            return "a link to a folder" if path.is_symlink() else ""
        if not path.is_file():
            # A link to an image that is gone is a lost image: it is tried.
            lost = path.is_symlink() and path.suffix.lower() in SUFFIXES
            return "" if lost else f"{kind_of(path)}, expected a file"
        return "" if is_image(path) else "not an image"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _printable(name: str) -> str:
    """Return a name without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else "?" for sign in name)


def _iso_format(head: bytes) -> str:
    """Return the format of an ISO media file, which names its brands."""
    size = int.from_bytes(head[:4], "big")
    brands = head[8 : min(size, len(head))]
    found = {brands[at : at + 4] for at in range(0, len(brands), 4)}
    if found & {b"avif", b"avis"}:
        return "AVIF"
    return "HEIF" if found & _HEIF_BRANDS else ""
