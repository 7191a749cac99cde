"""The only place where YAML is parsed: plain values, or one error that says where."""

import math
import reprlib
from pathlib import Path
from typing import Any

import yaml

from fer_tf.errors import UserError

# Real configs have fewer than ten levels, and a few hundred values.
MAX_DEPTH = 50
# An alias is short and may stand for any number of values.
MAX_VALUES = 100_000
# Larger integers are of no use here, and Python refuses to print very long ones.
MAX_INT_BITS = 64

_MERGE = "tag:yaml.org,2002:merge"

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 80
_brief.maxdict = _brief.maxlist = 6
_brief.maxlevel = 3


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also refuses deep values and a key given twice."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """Return a node; PyYAML would recurse as deeply as the text says."""
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                raise yaml.composer.ComposerError(
                    problem=f"more than {MAX_DEPTH} levels are nested",
                    problem_mark=self.peek_event().start_mark,
                )
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Return the node of a mapping; PyYAML would keep the last of two equal keys.

        Keys are compared here, because merged keys (`<<`) may be given again.
        """
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if (key.tag, key.value) in seen:
                raise yaml.composer.ComposerError(
                    problem=f"the key {brief(key.value)} is given twice",
                    problem_mark=key.start_mark,
                )
            seen.add((key.tag, key.value))
        return node


def brief(value: Any) -> str:
    """Return the representation of a value for a message, shortened where it is long.

    >>> brief({"epochs": 3})
    "{'epochs': 3}"
    """
    return _brief.repr(value)


def parse(text: str, what: str) -> Any:
    """Return the value of a YAML document.

    Args:
        text: One YAML document.
        what: How the error calls the document, such as `the config c.yaml`.

    Raises:
        UserError: `text` is not YAML, gives a key twice, holds a value that its type
            does not have, such as the date 2020-13-45, or is too deep or too large.
    """
    loader = None
    try:
        loader = _Loader(text)
        value = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        raise UserError(f"{what} is not valid YAML: {_problem(error)}.") from None
    # An impossible date, `!!int abc` and 5,000 digits are ValueErrors; other wrong
    # tags, such as `!!bool abc` and `!!timestamp abc`, end in whatever Python raises.
    except (
        yaml.YAMLError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{what} holds an impossible value: {reason}.") from None
    finally:
        if loader is not None:
            loader.dispose()
    _check_size(value, what)
    return _unshared(value)


def read(path: Path, what: str) -> Any:
    """Return the value of a YAML file.

    Args:
        path: A file in UTF-8.
        what: How the error calls the file, such as `the config`.

    Raises:
        UserError: There is no such file, it is not UTF-8, or it is not valid YAML.
        OSError: The file cannot be read.
    """
    if not path.exists():
        raise UserError(f"{what} {path} does not exist: expected a YAML file.")
    if not path.is_file():
        raise UserError(f"{what} {path} is not a file: expected a YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{what} {path} is not UTF-8 text: {error.reason} at byte {error.start}."
        ) from None
    return parse(text, f"{what} {path}")


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Return PyYAML's message in one line, with the place."""
    problem = error.problem or error.context or "it cannot be parsed"
    mark = error.problem_mark or error.context_mark
    return problem if mark is None else f"{problem}, in line {mark.line + 1}"


def _check_size(value: Any, what: str) -> None:
    """Refuse values that later code could not walk through or print."""
    waiting, count = [(value, 1)], 0
    while waiting:
        item, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            # Aliases nest what the text does not, also a value in itself.
            raise UserError(
                f"{what} is nested too deeply: expected at most {MAX_DEPTH} levels."
            )
        if count > MAX_VALUES:
            raise UserError(
                f"{what} holds too many values: expected at most {MAX_VALUES:,}, "
                "aliases (`*name`) counted each time."
            )
        if isinstance(item, dict):
            waiting += [(inner, depth + 1) for pair in item.items() for inner in pair]
        elif isinstance(item, list | tuple | set):
            waiting += [(inner, depth + 1) for inner in item]
        elif isinstance(item, str) and "\0" in item:
            raise UserError(
                f"{what} holds {brief(item)}: expected text without NUL characters."
            )
        elif isinstance(item, int) and item.bit_length() > MAX_INT_BITS:
            digits = int(item.bit_length() * math.log10(2)) + 1
            raise UserError(
                f"{what} holds an integer of about {digits} digits: expected at most "
                f"{MAX_INT_BITS} bits."
            )


def _unshared(value: Any) -> Any:
    """Return a copy in which what aliases share is separate, so each can be changed."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value
