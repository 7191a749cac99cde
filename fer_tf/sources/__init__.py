"""Raw corpora to records: every parser of a publisher's layout is here, once.

A module per corpus has a `NAME`, finds the corpus' files (`find`), lists its rows
(`entries`) and reads them (`read`). `pictures` reads anybody's own, under any name that
is not one of the `CORPORA`.
"""

import importlib
from pathlib import Path

from fer_tf.errors import UserError
from fer_tf.sources.record import DOMAIN_VALIDATION
from fer_tf.sources.record import MANIFEST_SPLITS
from fer_tf.sources.record import SPLITS
from fer_tf.sources.record import Record

CORPORA = (
    "affectnet",
    "drawn_faces",
    "expw",
    "fer2013",
    "ferplus",
    "rafdb",
    "rafdb_compound",
    "rafml",
)

# Drawn, not found.
DRAWN = "drawn_faces"


def absent(corpus: str, raw: Path) -> bool:
    """Return whether the files of one of the `CORPORA` are missing from `raw`."""
    if corpus == DRAWN:
        return False
    try:
        importlib.import_module(f"{__name__}.{corpus}").find(raw / corpus)
    except UserError:
        return True
    return False


__all__ = [
    "CORPORA",
    "DOMAIN_VALIDATION",
    "MANIFEST_SPLITS",
    "SPLITS",
    "Record",
    "absent",
]
