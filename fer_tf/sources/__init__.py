"""Raw corpora to records: every parser of a publisher's layout is here, once."""

from fer_tf.sources.record import SPLITS
from fer_tf.sources.record import Record

__all__ = ["SPLITS", "Record"]
