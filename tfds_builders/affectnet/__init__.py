"""AffectNet as a TFDS dataset."""
