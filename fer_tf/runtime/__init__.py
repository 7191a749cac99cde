"""A bundle read, checked and run: crops to calibrated probabilities, no TensorFlow."""
