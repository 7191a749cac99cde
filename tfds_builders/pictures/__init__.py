"""Anybody's own pictures as a TFDS dataset."""
