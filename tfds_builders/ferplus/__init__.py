"""FERPlus as a TFDS dataset."""
