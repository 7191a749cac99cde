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
