"""Raw corpora to records: every parser of a publisher's layout is here, once.

A module per corpus has a `NAME`, finds the corpus' files (`find`), lists its rows
(`entries`) and reads them (`read`). `pictures` reads anybody's own, under any name that
is not one of the `CORPORA`.
"""

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

__all__ = ["CORPORA", "SPLITS", "Record"]
