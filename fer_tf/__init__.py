"""fer-tf: facial expressions with calibrated probabilities."""

from typing import Any

__version__ = "0.1.0"


def load(bundle: str | None = None, **options: Any) -> Any:
    """Return a recogniser: a picture to faces with calibrated probabilities.

    Args:
        bundle: the folder of an exported bundle; None is the one that is shipped.
        **options: as `fer_tf.live.recogniser.load` takes them.

    Example:
        >>> recogniser = fer_tf.load("runs/quickstart/bundle")  # doctest: +SKIP
        >>> faces = recogniser(frame_bgr)                       # doctest: +SKIP
    """
    from fer_tf.live.recogniser import load as load_recogniser

    return load_recogniser(bundle, **options)
