"""The seven classes and their order (the only copy), and each corpus' way to them."""

import math
from collections.abc import Mapping
from collections.abc import Sequence

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
NUM_CLASSES = len(CLASSES)
INDEX: Mapping[str, int] = {name: index for index, name in enumerate(CLASSES)}

# A corpus' own code or word -> our class; "" where it is none of ours (contempt,
# unknown, no face): such a record is kept and excluded by name.
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
# Words for what is none of ours; `of_word` takes hyphens and underscores for spaces.
NOT_OURS = (
    "contempt",
    "contemptuous",
    "nf",
    "no face",
    "noface",
    "none",
    "uncertain",
    "unknown",
)
FERPLUS_COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
RAFDB: Mapping[str, str] = {
    "1": "Surprise",
    "2": "Fear",
    "3": "Disgust",
    "4": "Happy",
    "5": "Sad",
    "6": "Angry",
    "7": "Neutral",
}
RAFDB_COMPOUND_NAMES: Mapping[str, str] = {
    "1": "happily surprised",
    "2": "happily disgusted",
    "3": "sadly fearful",
    "4": "sadly angry",
    "5": "sadly surprised",
    "6": "sadly disgusted",
    "7": "fearfully angry",
    "8": "fearfully surprised",
    "9": "angrily surprised",
    "10": "angrily disgusted",
    "11": "disgustedly surprised",
}
# A compound is the expression that its adverb names.
RAFDB_COMPOUND: Mapping[str, str] = {
    "1": "Happy",
    "2": "Happy",
    "3": "Sad",
    "4": "Sad",
    "5": "Sad",
    "6": "Sad",
    "7": "Fear",
    "8": "Fear",
    "9": "Angry",
    "10": "Angry",
    "11": "Disgust",
}
RAFML_COLUMNS = ("Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry")
AFFECTNET_NAMES: Mapping[str, str] = {
    "0": "neutral",
    "1": "happy",
    "2": "sad",
    "3": "surprise",
    "4": "fear",
    "5": "disgust",
    "6": "anger",
    "7": "contempt",
    "8": "none",
    "9": "uncertain",
    "10": "no face",
}
AFFECTNET: Mapping[str, str] = {
    code: NAMES.get(name, "") for code, name in AFFECTNET_NAMES.items()
}
EXPW: Mapping[str, str] = FER2013

PUBLISHED_NAMES: Mapping[str, Mapping[str, str]] = {
    "affectnet": AFFECTNET_NAMES,
    "rafdb_compound": RAFDB_COMPOUND_NAMES,
}


def of_code(code: str, codes: Mapping[str, str]) -> str:
    """Return the class of a publisher's `code`; "" where it is none of ours.

    Raises:
        ValueError: it is none of the `codes`.
    """
    if code not in codes:
        raise ValueError(
            f"expected a label of {', '.join(codes)}, received {code[:40]!r}."
        )
    return codes[code]


def of_word(word: str) -> str:
    """Return the class that `word` names, in any case; "" where it is none of ours.

    Raises:
        ValueError: the word is neither in `NAMES` nor in `NOT_OURS`.
    """
    plain = word.strip().lower().replace("_", " ").replace("-", " ")
    if plain not in NAMES and plain not in NOT_OURS:
        raise ValueError(
            f"expected a class of {', '.join((*NAMES, *NOT_OURS))}, "
            f"received {word[:40]!r}."
        )
    return NAMES.get(plain, "")


def published_name(source: str, label_original: str) -> str:
    """Return the name that a source's publisher gives to its own label.

    A label that is a name already, or of a source without names, is returned as it is.
    """
    return PUBLISHED_NAMES.get(source, {}).get(label_original, label_original)


def one_hot(name: str) -> tuple[float, ...]:
    """Return the distribution [7] that is certain of class `name`; zeros for ""."""
    return tuple(float(name == known) for known in CLASSES)


def agreed(votes: Sequence[int]) -> bool:
    """Return whether more than half of the votes are for one column.

    A column with a single vote is left out first, as FERPlus' publisher does (Barsoum
    et al., arXiv:1608.01041, "majority voting"). Where nobody voted nobody disagrees.
    """
    counted = [vote for vote in votes if vote > 1]
    return not votes or 2 * max(counted, default=0) > sum(counted)


def to_distribution(votes: Sequence[float]) -> tuple[float, ...]:
    """Return `votes` [7] divided by their sum.

    Raises:
        ValueError: there are not seven votes, one is negative, or all are zero.
    """
    if len(votes) != NUM_CLASSES or min(votes) < 0 or not 0 < sum(votes) < math.inf:
        raise ValueError(
            f"`votes` must be {NUM_CLASSES} non-negative numbers with a positive sum, "
            f"received {list(votes)}."
        )
    total = sum(votes)
    return tuple(vote / total for vote in votes)
