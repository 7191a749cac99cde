"""The seven classes and their order (the only copy), and each corpus' way to them."""

from collections.abc import Mapping
from collections.abc import Sequence

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
NUM_CLASSES = len(CLASSES)
INDEX: Mapping[str, int] = {name: index for index, name in enumerate(CLASSES)}

# A corpus' own code or word -> our class. A label that is missing here is not one of
# ours (contempt, unknown, no face): its record is kept and excluded by name.
FER2013: Mapping[str, str] = {str(code): name for code, name in enumerate(CLASSES)}
NAMES: Mapping[str, str] = {
    "anger": "Angry",
    "angry": "Angry",
    "disgust": "Disgust",
    "disgusted": "Disgust",
    "fear": "Fear",
    "fearful": "Fear",
    "happiness": "Happy",
    "happy": "Happy",
    "sad": "Sad",
    "sadness": "Sad",
    "surprise": "Surprise",
    "surprised": "Surprise",
    "neutral": "Neutral",
}


def one_hot(name: str) -> tuple[float, ...]:
    """Return the distribution [7] that is certain of class `name`."""
    return tuple(float(name == known) for known in CLASSES)


def to_distribution(votes: Sequence[float]) -> tuple[float, ...]:
    """Return `votes` [7] divided by their sum.

    Raises:
        ValueError: there are not seven votes, one is negative, or all are zero.
    """
    if len(votes) != NUM_CLASSES or min(votes) < 0 or sum(votes) <= 0:
        raise ValueError(
            f"`votes` must be {NUM_CLASSES} non-negative numbers with a positive sum, "
            f"received {list(votes)}."
        )
    total = sum(votes)
    return tuple(vote / total for vote in votes)
