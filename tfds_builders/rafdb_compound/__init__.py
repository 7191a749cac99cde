"""RAF-DB's compound set as a TFDS dataset."""
