"""Answers in our words, held to their types: what a cluster made up must not travel any further.

Whoever keeps a number that no database can, or a name that is none, fails far from here; so it fails here.
Texts are cleaned instead: a program's last words may hold anything.
"""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Thing = TypeVar("Thing")
LARGEST = 2**63 - 1
NOT_KEPT = {0: "\ufffd", **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")}  # null, and halves of surrogate pairs


def sane(thing: Thing) -> Thing:
    """A dataclass whose values are what its types say; ValueError if one is not."""
    hints = _hints(type(thing))  # type: ignore[arg-type]
    values = {name: _sane(getattr(thing, name), hint) for name, hint in hints.items()}
    return replace(thing, **values)  # type: ignore[type-var]


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _sane(value: Any, hint: Any) -> Any:
    kind, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return _cleaned(value)
    if kind in (Union, UnionType):
        return None if value is None and NoneType in inner else _sane(value, inner[0])
    if kind is Literal:
        return value if value in inner else _odd(value)
    if kind is tuple:
        hints = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_sane(item, hint) for item, hint in zip(value, hints, strict=True))
    if kind is not None:  # a mapping
        return {_sane(name, inner[0]): _sane(item, inner[1]) for name, item in value.items()}
    return _plain(value, hint)


def _plain(value: Any, hint: type) -> Any:
    if hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        return _odd(value)
    if is_dataclass(value):
        return sane(value)
    if type(value) is int and not 0 <= value <= LARGEST:
        return _odd(value)
    return _cleaned(value)


def _cleaned(value: Any) -> Any:
    """Any JSON, with texts that can be kept."""
    if type(value) is str:
        return value.translate(NOT_KEPT)
    if isinstance(value, Mapping):
        return {_cleaned(name): _cleaned(item) for name, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list) else value


def _odd(value: object) -> Any:
    raise ValueError(f"{type(value).__name__} is not what was to be told here")
