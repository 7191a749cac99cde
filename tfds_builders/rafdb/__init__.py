"""RAF-DB as a TFDS dataset."""
