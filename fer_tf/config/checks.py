"""What every section of a recipe is held against."""

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
