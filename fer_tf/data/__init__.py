"""Records, manifest and soft labels to `tf.data`."""
