"""A camera, a film or a picture to faces with probabilities, without TensorFlow."""
