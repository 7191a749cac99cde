"""`classes.csv`: what the class names or numbers of somebody's own images mean."""

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from fer_tf import labels
from fer_tf.errors import UserError
from fer_tf.sources import text
from fer_tf.sources.folders import NUMBER
from fer_tf.sources.folders import ClassOf

FILE = "classes.csv"
HEADER = ("class", "emotion")
KNOWN_NUMBERS: Mapping[str, Mapping[str, str]] = {
    "FER2013": labels.FER2013,
    "RAF-DB": labels.RAFDB,
    "AffectNet": labels.AFFECTNET,
}


def reader(root: Path) -> ClassOf:
    """Return the function from a class name in a corpus to our class.

    It is `labels.of_word`, unless `FILE` lies in the corpus' folder.

    Raises:
        UserError: `FILE` is not as expected, or names a class twice.
    """
    path = root / FILE
    if not path.exists():
        return _of_word
    given: dict[str, str] = {}
    for row, cells in enumerate(text.csv_rows(path, HEADER)):
        name = cells[0].strip() if cells else ""
        try:
            label = labels.of_word(text.cells(cells, len(HEADER))[1])
        except ValueError as error:
            raise UserError(f"{path}, row {row}: {error}") from None
        if name in given:
            raise UserError(f"{path}, row {row}: {name[:40]!r} is there twice.")
        given[name] = label
    return lambda word: labels.of_code(word.strip(), given)


def ask(numbers: Sequence[str]) -> str:
    """Return what to do about class numbers that nothing explains."""
    shown = "; ".join(
        f"{corpus}: "
        + ", ".join(f"{code} {label}" for code, label in codes.items() if label)
        for corpus, codes in KNOWN_NUMBERS.items()
    )
    return (
        f"the classes are the numbers {', '.join(numbers[:12])}, whose meaning differs "
        f"between corpora ({shown}). Write it into {FILE} in the corpus' folder, with "
        f"the columns {','.join(HEADER)} and a row for each number, such as "
        f"{numbers[0]},happy."
    )


def _of_word(word: str) -> str:
    if NUMBER.fullmatch(word.strip()):
        raise UserError(ask([word.strip()]))
    return labels.of_word(word)
