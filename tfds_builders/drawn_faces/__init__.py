"""Drawn faces as a TFDS dataset."""
