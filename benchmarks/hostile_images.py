"""Damaged and hostile image files through the decoder and `fer-tf predict`.

    python benchmarks/hostile_images.py --count 10000

Images of every format are mutated: bits flipped in the header or anywhere, bytes
overwritten or inserted, ends cut off. Beside them are files that are no images but are
named as images, and small files that announce huge ones. Each batch is read in a
process of its own, first by `picture.read` and `picture.read_still`, then by `predict`
with the shipped bundle. The exit code is 1 if a process dies, if anything but a
`ValueError` is raised, if a file that is no image gets a row, or if a process takes
more than `MAX_MEMORY_MB`.
"""

import argparse
import io
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL import features

from fer_tf import picture
from fer_tf.live import predict
from fer_tf.live.recogniser import find_bundle
from fer_tf.runtime.classifier import Classifier

BATCH = 250
BATCH_TIMEOUT_S = 900
MAX_MEMORY_MB = 1000
HEADER_BYTES = 64
# Of a hundred files so many are bombs, and so many are no images at all.
BOMBS, NOT_IMAGES = 8, 12
NO_IMAGE = "no image"
BOMB = "bomb"
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")
MODES = ("RGB", "L", "P", "RGBA", "CMYK", "I;16")


def seeds() -> list[tuple[str, bytes]]:
    """Return valid images: every format in every mode that it can be saved in."""
    if _heif():
        _heif().register_heif_opener()
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
    image = Image.fromarray(coarse).resize((96, 72), Image.Resampling.BICUBIC)
    found = []
    for name in FORMATS:
        for mode in MODES:
            for options in _options(name):
                file = io.BytesIO()
                try:
                    _in_mode(image, mode).save(file, name, **options)
                except (OSError, KeyError, ValueError):
                    continue
                found.append((name, file.getvalue()))
    return found


def _heif() -> Any:
    try:
        import pillow_heif
    except ImportError:
        return None
    return pillow_heif


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode != "I;16":
        return image.convert(mode)
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def _options(name: str) -> list[dict[str, Any]]:
    exif = Image.Exif()
    exif[0x0112] = 6
    more: dict[str, list[dict[str, Any]]] = {
        "JPEG": [{"progressive": True}, {"exif": exif}, {"subsampling": 0}],
        "WEBP": [{"lossless": True}],
        "TIFF": [{"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}],
    }
    return [{}, *more.get(name, [])]


def flip_header(rng: np.random.Generator, data: bytes) -> bytes:
    """Flip one to eight bits of the header."""
    return _flip(rng, data, min(HEADER_BYTES, len(data)))


def flip_anywhere(rng: np.random.Generator, data: bytes) -> bytes:
    """Flip one to eight bits anywhere."""
    return _flip(rng, data, len(data))


def _flip(rng: np.random.Generator, data: bytes, end: int) -> bytes:
    changed = bytearray(data)
    for place in rng.integers(0, end, rng.integers(1, 9)):
        changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def overwrite(rng: np.random.Generator, data: bytes) -> bytes:
    """Overwrite up to 64 bytes in a row with noise, zeros or ones."""
    start = int(rng.integers(0, len(data)))
    count = int(rng.integers(1, 65))
    filling = (rng.bytes(count), bytes(count), b"\xff" * count)[rng.integers(3)]
    return data[:start] + filling + data[start + count :]


def truncate(rng: np.random.Generator, data: bytes) -> bytes:
    """Cut the end off."""
    return data[: int(rng.integers(1, len(data)))]


def insert(rng: np.random.Generator, data: bytes) -> bytes:
    """Insert up to 64 bytes of noise."""
    start = int(rng.integers(0, len(data)))
    return data[:start] + rng.bytes(int(rng.integers(1, 65))) + data[start:]


MUTATIONS: tuple[Callable[[np.random.Generator, bytes], bytes], ...] = (
    flip_header,
    flip_anywhere,
    overwrite,
    truncate,
    insert,
)


def no_image(rng: np.random.Generator) -> bytes:
    """Return what is no image at all."""
    kinds = (
        b"",
        b"<!DOCTYPE html><html><body>404 not found</body></html>",
        b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(60),
        rng.bytes(int(rng.integers(1, 4000))),
        b"BMP is a format " * 30,
        b"PK\x03\x04" + rng.bytes(400),
        (24).to_bytes(4) + b"ftypisom" + bytes(4) + b"isomavc1" + rng.bytes(400),
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"RIFF" + (400).to_bytes(4, "little") + b"WEBPVP8 " + rng.bytes(400),
        b"II*\0" + rng.bytes(200),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n" + rng.bytes(200),
    )
    return kinds[rng.integers(len(kinds))]


def bomb(rng: np.random.Generator) -> bytes:
    """Return a small file that announces an image too large to be decoded."""
    sides = ((30_000, 30_000), (1, 39_999_999), (39_999_999, 1), (65_535, 65_535))
    width, height = sides[rng.integers(len(sides))]
    short = (min(width, 65_535), min(height, 65_535))
    if short[0] * short[1] < 250_000_000:
        short = (65_535, 65_535)
    kinds = (
        _png(width, height, zlib.compress(bytes(1_000_000), 9)),
        _png(200, 200, zlib.compress(bytes(20), 9), b"zTXt", bytes(90_000_000)),
        _jpeg(*short),
        b"GIF89a" + struct.pack("<HHBBB", *short, 0x80, 0, 0) + bytes(6) + b","
        + struct.pack("<HHHHB", 0, 0, *short, 0) + b"\x02\x02\x4c\x01\0;",
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 90, 0, 54, 40, width, height, 1, 24,
                            0, 0, 0, 0, 0, 0) + bytes(36),
        _tiff(width, height),
    )
    return kinds[rng.integers(len(kinds))]


def _png(
    width: int, height: int, rows: bytes, extra: bytes = b"", text: bytes = b""
) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    more = chunk(extra, b"k\0\0" + zlib.compress(text, 9)) if extra else b""
    parts = (chunk(b"IHDR", header), more, chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _jpeg(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    data = bytearray(file.getvalue())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _tiff(width: int, height: int) -> bytes:
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1,
            278: height, 279: min(width * height, (1 << 32) - 1)}
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def write_batch(folder: Path, number: int, count: int) -> dict[str, str]:
    """Write the files of a batch, and return what each of them is."""
    rng = np.random.default_rng([7, number])
    valid = seeds()
    kinds = {}
    for place in range(count):
        drawn = rng.integers(100)
        if drawn < BOMBS:
            kind, data = BOMB, bomb(rng)
        elif drawn < BOMBS + NOT_IMAGES:
            kind, data = NO_IMAGE, no_image(rng)
        else:
            name, data = valid[rng.integers(len(valid))]
            mutate = MUTATIONS[rng.integers(len(MUTATIONS))]
            kind, data = f"{name} {mutate.__name__}", mutate(rng, data)
        name = f"{place:04}.{('jpg', 'png', 'webp')[place % 3]}"
        (folder / name).write_bytes(data)
        kinds[name] = kind
    return kinds


def run_batch(folder: Path) -> dict[str, Any]:
    """Read a batch; run in a process of its own, since it may die."""
    faults, decoded, slowest = [], [], 0.0
    for path in sorted(folder.iterdir()):
        start = time.perf_counter()
        for read in (picture.read, picture.read_still):
            try:
                read(path.read_bytes())
                decoded.append(path.name)
            except ValueError:
                pass
            except Exception as error:
                faults.append(f"{path.name}: {type(error).__name__}: {error}")
        slowest = max(slowest, time.perf_counter() - start)
    recogniser = predict.of_cropped(Classifier(find_bundle()))
    out = folder.parent / "faces.json"
    found = predict.predict([folder], recogniser, out)
    return {
        "faults": faults,
        "decoded": sorted(set(decoded)),
        "predicted": sorted({Path(face["path"]).name for face in found.faces}),
        "unreadable": len(found.unreadable),
        "skipped": len(found.skipped),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "slowest_s": slowest,
    }


def main() -> int:
    """Run all batches and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--batch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.batch:
        print(json.dumps(run_batch(options.batch)))
        return 0
    totals: Counter[str] = Counter()
    decoded: Counter[str] = Counter()
    failures, memory_mb, slowest_s = [], 0.0, 0.0
    for number in range(-(-options.count // BATCH)):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / "images"
            folder.mkdir()
            kinds = write_batch(folder, number, min(BATCH, options.count))
            command = [sys.executable, __file__, "--batch", str(folder)]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=BATCH_TIMEOUT_S
            )
        totals.update(kinds.values())
        if done.returncode:
            failures.append(f"batch {number}: {done.returncode} {done.stderr}")
            continue
        result = json.loads(done.stdout.splitlines()[-1])
        decoded.update(kinds[name] for name in result["predicted"])
        failures += [f"batch {number}, {fault}" for fault in result["faults"]]
        failures += [
            f"batch {number}, {name} has a row and is {kinds[name]}"
            for name in result["predicted"]
            if kinds[name] in (NO_IMAGE, BOMB)
        ]
        failures += [
            f"batch {number}, {name} is decoded by one reader alone"
            for name in set(result["predicted"]) - set(result["decoded"])
        ]
        memory_mb = max(memory_mb, result["memory_mb"])
        slowest_s = max(slowest_s, result["slowest_s"])
    for kind, count in sorted(totals.items()):
        print(f"{kind:24} {count:6} tried {decoded[kind]:6} decoded and predicted")
    print(f"{totals.total()} files, {len(failures)} failures")
    print(f"peak memory {memory_mb:.0f} MB, slowest file {slowest_s:.2f} s")
    print(f"AVIF {features.check('avif')}, HEIF {bool(_heif())}")
    for failure in failures[:20]:
        print(failure)
    return int(bool(failures) or memory_mb > MAX_MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main())
