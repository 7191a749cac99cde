"""The only way a model leaves: Keras to TFLite, the bundle, the parity check."""
