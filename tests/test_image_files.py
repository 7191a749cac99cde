"""Which files are images, which are skipped, and what is never opened."""

import os
import socket
import threading

import numpy as np
import pytest

from fer_tf import image_files
from fer_tf.picture import encode_jpeg
from fer_tf.picture import encode_png

PNG = encode_png(np.zeros((8, 8), np.uint8))
# What macOS writes beside every file on a disk that is not its own.
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(60)


@pytest.fixture
def album(tmp_path):
    """A folder of files as phones, NAS boxes and operating systems leave them."""
    files = {
        "b.jpg": encode_jpeg(np.zeros((8, 8), np.uint8)),
        "a/one.PNG": PNG,
        "a/without": PNG,
        "a/wrong.txt": PNG,
        "a/broken.heic": b"not what its name says",
        "notes.txt": b"words",
        "empty": b"",
        "video.mov": (20).to_bytes(4) + b"ftypqt  " + bytes(40),
        "camera.mjpeg": encode_jpeg(np.zeros((8, 8), np.uint8)),
        "._b.jpg": APPLE_DOUBLE,
        ".DS_Store": b"Bud1",
        "Thumbs.db": PNG,
        "desktop.ini": b"[x]",
        ".thumbnails/1.jpg": PNG,
        "@eaDir/b.jpg/SYNOPHOTO_THUMB_M.jpg": PNG,
        "__MACOSX/._b.jpg": APPLE_DOUBLE,
        "$RECYCLE.BIN/x.png": PNG,
    }
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def names(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


def test_every_file_is_an_image_or_skipped_with_a_reason(album):
    walk = image_files.walk(album)
    assert names(walk.images, album) == [
        "a/broken.heic",
        "a/one.PNG",
        "a/without",
        "a/wrong.txt",
        "b.jpg",
    ]
    reasons = {
        path.relative_to(album).as_posix(): why for path, why in walk.skipped.items()
    }
    hidden = image_files.HIDDEN
    assert reasons == {
        "$RECYCLE.BIN": hidden,
        "._b.jpg": hidden,
        ".DS_Store": hidden,
        ".thumbnails": hidden,
        "@eaDir": hidden,
        "Thumbs.db": hidden,
        "__MACOSX": hidden,
        "camera.mjpeg": "not an image",
        "desktop.ini": hidden,
        "empty": "not an image",
        "notes.txt": "not an image",
        "video.mov": "not an image",
    }


def test_a_hidden_folder_that_is_named_is_walked(album):
    assert len(image_files.walk(album / ".thumbnails").images) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_what_is_no_regular_file_is_skipped_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "real.png").write_bytes(PNG)
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "socket.png"))
        walk = image_files.walk(tmp_path)
        assert names(walk.images, tmp_path) == [
            "link.png",
            "lost.png",
            "real.png",
        ]
        assert {path.name for path in walk.skipped} == {
            "circle",
            "gone",
            "pipe.png",
            "socket.png",
        }
        for name in ("pipe.png", "socket.png", "gone", "lost.png"):
            with pytest.raises(OSError):
                image_files.open_regular(tmp_path / name)
    with image_files.open_regular(tmp_path / "link.png") as file:
        assert file.read() == PNG
    with pytest.raises(OSError):
        image_files.open_regular(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_a_fifo_in_place_of_a_file_that_was_checked_does_not_hang(
    tmp_path, monkeypatch
):
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.setattr(image_files, "kind_of", lambda path: "a regular file")
    done = threading.Event()

    def attempt():
        with pytest.raises(OSError):
            image_files.open_regular(tmp_path / "pipe.png")
        done.set()

    threading.Thread(target=attempt, daemon=True).start()
    assert done.wait(5)


def test_a_folder_that_cannot_be_read_ends_nothing(album, monkeypatch):
    iterdir = type(album).iterdir

    def refuse(path):
        if path.name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(type(album), "iterdir", refuse)
    walk = image_files.walk(album)
    assert names(walk.images, album) == ["b.jpg"]
    assert "Permission denied" in walk.skipped[album / "a"]


def test_what_is_no_image_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 1000)
    (tmp_path / "video.jpg").write_bytes(b"\0" * 5000)
    assert len(image_files.read_image_file(tmp_path / "video.jpg")) < 100
    (tmp_path / "large.png").write_bytes(PNG + bytes(5000))
    with pytest.raises(ValueError):
        image_files.read_image_file(tmp_path / "large.png")


def test_a_name_does_not_command_a_terminal():
    (line,) = image_files.counted({"\x1b[2J.txt": "not an image"})
    assert line.isprintable()


def test_counts_are_by_reason_with_the_first_names():
    skipped = {f"{n}.txt": "not an image" for n in range(9)} | {".x": "hidden"}
    first, second = image_files.counted(skipped)
    assert first.startswith("1 ") and ".x" in first
    assert second.startswith("9 ") and "4.txt" in second and "5.txt" not in second


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (PNG[:20], "PNG"),
        (b"GIF89a", "GIF"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP"),
        (b"RIFF\0\0\0\0AVI LIST", ""),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "BMP"),
        (b"BMW is a maker of cars", ""),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", ""),
        (b"\xff\x0a", "JPEG XL"),
        (b"8BPS", "Photoshop"),
        (b"", ""),
    ],
)
def test_the_first_bytes_tell_the_format(head, expected):
    assert image_files.format_of(head) == expected
