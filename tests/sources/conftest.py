"""What the tests of several sources share: small corpora, and how they are read."""

import io
import shutil
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from fer_tf import picture
from fer_tf.sources import SPLITS
from fer_tf.sources import rejects

BUILDERS = Path(__file__).parents[2] / "tfds_builders"


@pytest.fixture
def corpus(tmp_path):
    """A function that copies a builder's dummy data: `corpus("affectnet", "sets")`."""

    def copy(name, form=""):
        copied = tmp_path / "raw" / name
        return shutil.copytree(BUILDERS / name / "dummy_data" / form, copied)

    return copy


@pytest.fixture
def read(monkeypatch):
    """A function that reads all splits, however many rows are rejected.

    `read(source, root)` returns the records and the rejects, where to why.
    """
    monkeypatch.setattr(rejects, "MOST_REJECTED", 1.0)

    def all_of(source, root):
        kept = rejects.Rejects(source.NAME)
        found = [
            record for split in SPLITS for record in source.read(root, kept, split)
        ]
        assert kept.attempted == len(found) + len(kept.rejected)
        return found, kept.rejected

    return all_of


@pytest.fixture(scope="session")
def noise():
    """A picture of noise, uint8 [24, 24, 3]."""
    return np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def unusable(noise):
    """Bytes that no corpus may hold as a picture, by what is wrong with them."""
    jpeg = picture.encode_jpeg(noise)
    png = picture.encode_png(noise)
    header = b"IHDR" + 2 * (20_000).to_bytes(4) + png[24:29]
    return {
        "empty": b"",
        "truncated": jpeg[: len(jpeg) // 2],
        "html": b"<!DOCTYPE html><html><body>404 not found</body></html>",
        "animated": _saved(
            noise, "GIF", save_all=True, append_images=[Image.fromarray(255 - noise)]
        ),
        "400 megapixels": png[:12] + header + crc32(header).to_bytes(4) + png[33:],
    }


@pytest.fixture(scope="session")
def convertible(noise):
    """Images that a corpus' builder converts: bytes, and the pixels [144, 144, 3]."""
    rgb = np.kron(noise, np.ones((6, 6, 1), np.uint8))
    opaque = np.full((144, 144), 255, np.uint8)
    gray = rgb[..., 0]
    return {
        "four channels": (_saved(np.dstack([rgb, opaque]), "PNG"), rgb),
        "sixteen bits": (
            _saved(gray.astype(np.uint16) * 257, "PNG"),
            np.dstack([gray] * 3),
        ),
        "CMYK": (_saved(rgb, "JPEG", "CMYK", quality=95), rgb),
    }


def _saved(pixels, name, mode=None, **options):
    data = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(data, name, **options)
    return data.getvalue()
