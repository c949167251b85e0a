"""Values as Nomad compares and interpolates them: ``${…}`` targets, constraint operators, units."""

import re
from collections.abc import Callable, Mapping

REFERENCE = re.compile(r"\$\{([A-Za-z0-9_.\-]+)\}")
# A task's Config is read as a template of another kind: it has escapes, and an unknown name is a fault.
IN_CONFIG = re.compile(r"\$\$\{|%%\{|\$\{\s*([A-Za-z_][A-Za-z0-9_.\-]*)\s*\}|[$%]\{[^}]*\}?")


class UnknownValue(ValueError):
    """A task's Config names what is not there."""


def interpolate(text: str, known: Mapping[str, str]) -> str:
    """Put known values in; an unknown ``${x}`` stays as it is. There is no escape, as there is none in Nomad."""
    return REFERENCE.sub(lambda found: known.get(found[1], found[0]), text)


def interpolate_config(text: str, known: Mapping[str, str]) -> str:
    """The same for a task's Config, where ``$${`` is a ``${`` that stays; raises UnknownValue."""

    def value(found: re.Match[str]) -> str:
        if found[0] in ("$${", "%%{"):
            return found[0][1:]
        if found[1] is None:
            raise UnknownValue(f'the local datacenter does not understand "{found[0]}"; write "$${{" for a plain "${{"')
        if found[1] not in known:
            raise UnknownValue(f'Unknown variable: There is no variable named "{found[1]}"')
        return known[found[1]]

    return IN_CONFIG.sub(value, text)


def resolve(target: str, known: Mapping[str, str]) -> str | None:
    """A constraint's side: the value behind ``${…}`` (None if unset), or the text itself."""
    found = REFERENCE.fullmatch(target)
    return known.get(found[1]) if found else target


# -- comparing


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _ordered(compare: Callable[[float | str, float | str], bool]) -> Callable[[str, str], bool]:
    """Numbers as numbers, else text."""

    def check(left: str, right: str) -> bool:
        numbers = _number(left), _number(right)
        if numbers[0] is not None and numbers[1] is not None:
            return compare(numbers[0], numbers[1])
        return compare(left, right)

    return check


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",")}


def _version(text: str) -> tuple[tuple[int, ...], str] | None:
    found = re.fullmatch(r"\s*v?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.\-]+))?(?:\+.*)?\s*", text)
    if not found:
        return None
    numbers = tuple(int(part) for part in found[1].split("."))
    return numbers + (0,) * (3 - len(numbers)), found[2] or "~"  # "~" sorts a release after its pre-releases


VERSION_CHECKS: Mapping[str, Callable[[object, object], bool]] = {
    "": lambda a, b: a == b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
    "<": lambda a, b: a < b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
}


def _version_holds(left: str, right: str, *, pre_releases: bool) -> bool:
    version = _version(left)
    if version is None:
        return False
    for part in right.split(","):
        found = re.fullmatch(r"\s*(>=|<=|!=|=|>|<|~>|)\s*(.+?)\s*", part)
        asked = _version(found[2]) if found else None
        if found is None or asked is None:
            return False
        if not pre_releases and version[1] != "~" and asked[1] == "~":
            return False
        if found[1] == "~>":
            given = _depth(found[2])
            if not (version >= asked and version[0][: given - 1] == asked[0][: given - 1]):
                return False
        elif not VERSION_CHECKS[found[1]](version, asked):
            return False
    return True


def _depth(text: str) -> int:
    return max(len(text.split("-", maxsplit=1)[0].split(".")), 2)


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "is": lambda a, b: a == b,
    "<": _ordered(lambda a, b: a < b),  # type: ignore[operator]
    "<=": _ordered(lambda a, b: a <= b),  # type: ignore[operator]
    ">": _ordered(lambda a, b: a > b),  # type: ignore[operator]
    ">=": _ordered(lambda a, b: a >= b),  # type: ignore[operator]
    "regexp": lambda a, b: re.search(b, a) is not None,
    "set_contains": lambda a, b: _words(b) <= _words(a),
    "set_contains_all": lambda a, b: _words(b) <= _words(a),
    "set_contains_any": lambda a, b: bool(_words(b) & _words(a)),
    "version": lambda a, b: _version_holds(a, b, pre_releases=False),
    "semver": lambda a, b: _version_holds(a, b, pre_releases=True),
}
NOT_EQUAL = ("!=", "not")
KNOWN_OPERATORS = {*OPERATORS, *NOT_EQUAL, "is_set", "is_not_set"}


def holds(left: str | None, operator: str, right: str | None) -> bool:
    """Whether a constraint is met; an unset value meets only ``!=`` and ``is_not_set``."""
    match operator:
        case "is_set":
            return left is not None
        case "is_not_set":
            return left is None
        case "!=" | "not":
            return left != right
    if left is None or right is None:
        return False
    return OPERATORS[operator](left, right)


# -- quantities with units (device attributes)

_BYTES = {f"{prefix}iB": 1024**power for power, prefix in enumerate(("", "K", "M", "G", "T", "P", "E")) if power}
_BYTES |= {f"{prefix}B": 1000**power for power, prefix in enumerate(("", "k", "M", "G", "T", "P", "E")) if power}
_BYTES |= {"B": 1, "KB": 1000}
_HERTZ = {"Hz": 1, "kHz": 1000, "KHz": 1000, "MHz": 1000**2, "GHz": 1000**3}
_WATTS = {"mW": 0.001, "W": 1, "kW": 1000, "KW": 1000, "MW": 1000**2, "GW": 1000**3}
UNITS = {
    name: (kind, factor)
    for kind, units in (("bytes", _BYTES), ("hertz", _HERTZ), ("watts", _WATTS))
    for name, factor in units.items()
}
UNITS |= {f"{name}/s": (f"{kind}/s", factor) for name, (kind, factor) in UNITS.items() if kind == "bytes"}


def quantity(text: str) -> tuple[float, str] | None:
    """A number in base units with its kind ("" = none), or None if the text is no quantity."""
    found = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*([A-Za-z/]*)\s*", text)
    if not found or (found[2] and found[2] not in UNITS):
        return None
    kind, factor = UNITS.get(found[2], ("", 1))
    return float(found[1]) * factor, kind


def holds_quantity(left: str | None, operator: str, right: str | None) -> bool:
    """As ``holds``, with units converted when both sides carry comparable ones."""
    if left is None or right is None or operator not in ("=", "==", "is", "!=", "not", "<", "<=", ">", ">="):
        return holds(left, operator, right)
    mine, asked = quantity(left), quantity(right)
    if mine is None or asked is None:
        return holds(left, operator, right)
    if mine[1] != asked[1]:
        return operator in NOT_EQUAL
    return holds(repr(mine[0]), operator, repr(asked[0]))
