"""FER2013 as a TFDS dataset."""
