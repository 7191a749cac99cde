"""The command line: parsing, and one library call a command.

Importing it is cheap: TensorFlow and all that needs it are imported inside the
callbacks that use them.
"""

from fer_tf.cli.main import main

__all__ = ["main"]
