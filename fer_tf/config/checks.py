"""What every section of a recipe is held against."""

from collections.abc import Iterable

from fer_tf.errors import UserError
from fer_tf.errors import unknown_name


def one_of(what: str, value: str, known: Iterable[str]) -> None:
    """Raise UserError unless `value` is `known`; the nearest one is named."""
    if value not in known:
        raise unknown_name(what, value, known)


def positive(what: str, value: float) -> None:
    """Raise UserError unless `value` is above 0."""
    if not value > 0:
        raise UserError(f"{what} must be positive, received {value}.")
