"""TensorFlow without the lines that its C++ prints below Python."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_tensorflow() -> None:
    """Import TensorFlow; what it prints while doing so is shown only if that fails.

    It tells of CPU instructions, of an absent GPU, and of its own log, on standard
    error and below Python, before any setting of its own can stop it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with unless_it_fails():
        import tensorflow
    tensorflow.get_logger().setLevel("ERROR")


@contextmanager
def unless_it_fails() -> Iterator[None]:
    """Keep back what is printed on standard error, also below Python.

    It is shown if an exception leaves the block.
    """
    if sys.stderr is None:
        # Closed by who started the process (`2>&-`): nothing is shown anyway.
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
