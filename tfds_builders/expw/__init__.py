"""ExpW as a TFDS dataset."""
