"""Checks of single values: of a config's, and of those in files that are read."""

from collections.abc import Iterable

from fer_tf.errors import UserError
from fer_tf.errors import unknown_name


def one_of(what: str, value: str, known: Iterable[str]) -> None:
    """Raise UserError unless `value` is `known`; the nearest one is named."""
    if value not in known:
        raise unknown_name(what, value, known)


def not_negative(what: str, value: float) -> None:
    """Raise UserError unless `value` is 0 or more, and finite."""
    if not 0 <= value < float("inf"):
        raise UserError(f"{what} must be 0 or more, received {value}.")


def below_one(what: str, value: float) -> None:
    """Raise UserError unless `value` is 0 or more and below 1."""
    if not 0 <= value < 1:
        raise UserError(f"{what} must be 0 or more and below 1, received {value}.")


def positive(what: str, value: float) -> None:
    """Raise UserError unless `value` is above 0, and finite."""
    if not 0 < value < float("inf"):
        raise UserError(f"{what} must be positive, received {value}.")


def number(what: str, value: object, low: float, high: float) -> None:
    """Raise UserError unless `value` is a finite number in low..high, and no bool."""
    # A bool is an int to Python. Written so that NaN, which compares false, fails too.
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and low <= value <= high):
        raise UserError(
            f"{what} must be a number in {low:g}..{high:g}, received {value!r:.80}."
        )


def integer(what: str, value: object, low: int, high: int) -> None:
    """Raise UserError unless `value` is an integer in low..high, and no bool."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not (is_integer and low <= value <= high):
        raise UserError(
            f"{what} must be an integer in {low}..{high}, received {value!r:.80}."
        )


def of_type(what: str, value: object, kind: type) -> None:
    """Raise UserError unless `value` is an instance of `kind`."""
    if not isinstance(value, kind):
        raise UserError(f"{what} must be {kind.__name__}, received {value!r:.80}.")


# Suffixes and folders are appended, and Windows allows 260 characters in a whole path.
MAX_FILE_NAME = 80
_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"]
)


def file_name(what: str, value: str) -> None:
    """Raise UserError unless `value` can name a file or a folder on every system."""
    if not _is_file_name(value):
        raise UserError(
            f"{what} must be the name of a file, not a path: at most {MAX_FILE_NAME} "
            f"characters, none of them {' '.join(sorted(_FORBIDDEN))}; a letter, a "
            "digit or _ at the beginning, no dot or space at the end, and no device "
            f"of Windows, such as CON. Received {value[: MAX_FILE_NAME + 1]!r}."
        )


def _is_file_name(value: str) -> bool:
    if not value or len(value) > MAX_FILE_NAME:
        return False
    return (
        value.isprintable()
        and (value[0].isalnum() or value[0] == "_")
        and value[-1] not in ". "
        and not _FORBIDDEN & {*value}
        and value.partition(".")[0].strip().upper() not in _DEVICES
        # In bytes most file systems allow 255.
        and len(value.encode()) <= 2 * MAX_FILE_NAME
    )
