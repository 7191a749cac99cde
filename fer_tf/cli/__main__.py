"""`python -m fer_tf.cli` is `fer-tf`."""

from fer_tf.cli import main

main(prog_name="fer-tf")
