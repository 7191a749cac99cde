"""Recipes read from YAML, changed by dotted overrides, and written back."""

import dataclasses
import typing
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import yaml

from fer_tf.config import yaml_text
from fer_tf.config.recipe import Config
from fer_tf.config.stages import TrainConfig
from fer_tf.config.yaml_text import brief
from fer_tf.errors import UserError
from fer_tf.errors import unknown_name

SMOKE_SIZE = 64
SMOKE_BATCH = 8
# Of two names, by difflib; less similar ones are not suggested.
LEAST_SIMILARITY = 0.5


def load(path: Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Read a recipe.

    Args:
        path: a YAML file; None is `Config()`.
        overrides: `dotted.key=value` each, the value in YAML; applied last. One that
            starts with `train.` is for every stage, whatever the file says of it, but
            for a stage that an override of its own says otherwise of.

    Raises:
        UserError: a missing file, an unknown key, a value of the wrong type.
    """
    tree = _tree_of(path) if path else {}
    for_all: dict[str, Any] = {}
    own = []
    for override in overrides:
        keys, value = _parse(override)
        if keys == ["base"]:
            raise UserError(
                f"expected an override, received {brief(override)}: a base is for "
                "config files. Give it as --config."
            )
        if keys[0] == "train":
            _put(for_all, keys[1:], value)
            continue
        _put(tree, keys, value)
        if "train" in keys[:-1]:
            own.append((keys, value))
    tree = _spread_train(tree, for_all)
    # They lie below what is for all stages now, where there is any.
    for keys, value in own if for_all else ():
        _put(tree, keys, value)
    return _build(Config, tree, "")


def to_dict(config: Any) -> dict[str, Any]:
    """Return a config as plain dicts, lists and scalars."""
    return dataclasses.asdict(config)


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree's leaves by their dotted keys, as a recipe's overrides name them.

    What is no number and no truth value becomes text.

    >>> flat({"loss": "kd", "train": {"epochs": 20}})
    {'loss': 'kd', 'train.epochs': 20}
    """
    found = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": leaf for inner, leaf in flat(value).items()}
        elif isinstance(value, bool | int | float | str):
            found[key] = value
        else:
            found[key] = str(value)
    return found


def to_yaml(config: Config) -> str:
    """Return the resolved recipe as YAML, which `load` reads to the same `Config`."""
    return yaml.safe_dump(_plain(to_dict(config)), sort_keys=False)


def smoke(config: Config, absent: Iterable[str] = ()) -> Config:
    """Return `config` with every part of it tiny, to walk the whole way in a minute.

    Nothing is fetched: models start from random weights, and the `absent` sources are
    their builders' dummy data.
    """
    tree = to_dict(config)
    if not config.smoke:
        tree["experiment"] = f"{config.experiment}-smoke"
    tree["smoke"] = True
    tree["data"].update(limit=48, drawn_count=240, dummy=list(absent))
    tree["face"].update(size=min(config.face.size, SMOKE_SIZE))
    # Stored soft labels are of pictures in their full size.
    tree["soft_labels"].update(
        views=2, folds=min(config.soft_labels.folds, 2), stored=""
    )
    for stage in _stage_trees(tree):
        stage["train"].update(epochs=1, batch_size=SMOKE_BATCH)
    for stage in [*tree["teachers"], tree["student"]]:
        stage["model"].update(weights="none")
    return _build(Config, tree, "")


def _stage_trees(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    distilled = [tree["distill"][loss] for loss in ("kd", "dkd")]
    return [*tree["teachers"], tree["student"], *distilled]


def _tree_of(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the file's values laid over those of its bases.

    Args:
        above: the files whose base it is.
    """
    tree = yaml_text.read(path, "the config")
    # An empty file is a config that changes nothing; `false` and `0` are mistakes.
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise UserError(f"the config {path} must be keys and values.")
    base = tree.pop("base", None)
    if base is None:
        return tree
    above = (*above, path.resolve())
    if not isinstance(base, str) or (path.parent / base).resolve() in above:
        raise UserError(
            f"`base` of {path} must be another recipe's file, received {brief(base)}."
        )
    return _merge(_tree_of(path.parent / base, above), tree)


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _spread_train(tree: dict[str, Any], for_all: dict[str, Any]) -> dict[str, Any]:
    """Lay the file's common `train:` under that of every stage, and `for_all` over."""
    common = tree.pop("train", None)
    if common is None and not for_all:
        return tree
    defaults = to_dict(Config())
    if common is not None:
        for stage in _stage_trees(defaults):
            del stage["train"]
    common = _mapping({} if common is None else common, "train")
    tree = {**{name: defaults[name] for name in ("teachers", "student")}, **tree}
    tree["distill"] = _merge(
        defaults["distill"], _mapping(tree.get("distill") or {}, "distill")
    )
    tree["teachers"] = _list(tree["teachers"], "teachers")
    for stage in _stage_trees(tree):
        own = _mapping(stage, "a stage").get("train") or {}
        own = _merge(common, _mapping(own, "a stage's train"))
        stage["train"] = _merge(own, for_all)
    return tree


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where} must be keys and values, received {brief(value)}.")
    return value


def _list(value: Any, where: str) -> list | tuple:
    if not isinstance(value, list | tuple):
        raise UserError(f"{where} must be a list, received {brief(value)}.")
    return value


def _parse(override: str) -> tuple[list[str], Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"expected dotted.key=value, received {brief(override)}.")
    return key.split("."), yaml_text.parse(text, f"the value of {key}")


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    if not keys:
        raise UserError(f"expected train.KEY=value, received train={brief(value)}.")
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise UserError(f"{key!r} has no keys of its own, in {'.'.join(keys)}.")
    tree[keys[-1]] = value


def _build(kind: type, values: Any, where: str) -> Any:
    """Return the dataclass `kind` from a tree of plain values, checking each."""
    values = _mapping(values, where.rstrip(".") or "the config")
    hints = typing.get_type_hints(kind)
    for key in values:
        if key not in hints:
            raise _unknown_key(where, str(key), hints)
    arguments = {
        key: _convert(hints[key], value, f"{where}{key}")
        for key, value in _with_defaults(kind, values).items()
    }
    try:
        return kind(**arguments)
    except TypeError:
        what = where or "the config"
        raise UserError(f"{what} lacks a key: {brief(values)}.") from None


def _with_defaults(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `values` over the defaults, so that a part of a section can be given."""
    merged = dict(values)
    for item in dataclasses.fields(kind):
        default = _default_of(item)
        if dataclasses.is_dataclass(default) and isinstance(
            values.get(item.name), Mapping
        ):
            merged[item.name] = _merge(to_dict(default), values[item.name])
    return merged


def _default_of(item: dataclasses.Field) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def _unknown_key(where: str, key: str, hints: Iterable[str]) -> UserError:
    """Return the error for a key that a section does not have.

    The suggestion is the section's own key with the most similar name, or a key of
    another section whose name is more similar: `smoothing_ms` is `live.smoothing_ms`.
    """
    names = [*hints, *(() if where else ("train", "base"))]
    known = [f"{where}{name}" for name in names]

    def similarity(candidate: str) -> float:
        return SequenceMatcher(None, key, candidate.rpartition(".")[2]).ratio()

    # Of equally similar names the first is taken, and the section's own come first.
    best = max([*known, *all_keys()], key=similarity)
    suggestion = best if similarity(best) >= LEAST_SIMILARITY else ""
    return unknown_name("config key", f"{where}{key}", known, suggestion)


def all_keys() -> list[str]:
    """Return every dotted key that an override may name, and those of sections."""
    return [*_keys_of(TrainConfig, "train."), *_keys_of(Config, "")]


def _keys_of(kind: type, where: str) -> Iterator[str]:
    for name, hint in typing.get_type_hints(kind).items():
        yield f"{where}{name}"
        if dataclasses.is_dataclass(hint):
            yield from _keys_of(hint, f"{where}{name}.")


def _convert(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else _build(kind, value, f"{where}.")
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        return tuple(
            _convert(inner, item, f"{where}[{index}]")
            for index, item in enumerate(_list(value, where))
        )
    return _scalar(kind, value, where)


def _scalar(kind: type, value: Any, where: str) -> Any:
    # YAML reads 1e-3 (no dot) as text, and a user means a number by it.
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            value = float(value)
        except ValueError:
            pass
    if type(value) is not kind:
        raise UserError(
            f"{where} must be {kind.__name__}, received {brief(value)} "
            f"({type(value).__name__})."
        )
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
