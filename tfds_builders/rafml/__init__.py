"""RAF-ML as a TFDS dataset."""
