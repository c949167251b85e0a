"""The part of Nomad's templates that Serai writes: ``env`` and ``with nomadVar``, nothing else.

A tiny parser beats a large language: whatever is not known here is refused when the job is registered.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ENV = re.compile(r'env\s+"([^"]*)"')
WITH = re.compile(r'with\s+nomadVar\s+"([^"]*)"')
BLANKS = " \t\r"
KEY = re.compile(r"\.([A-Za-z0-9_]+)")

Items = Mapping[str, str]


class TemplateFault(ValueError):
    """A template this datacenter cannot render."""


class MissingVariable(Exception):
    """The template waits for this variable."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Env:
    name: str


@dataclass(frozen=True)
class Key:
    name: str


@dataclass(frozen=True)
class With:
    path: str
    body: "tuple[Part, ...]"


Part = Text | Env | Key | With


def parse(template: str, left: str = "{{", right: str = "}}") -> tuple[Part, ...]:
    """The template's parts; TemplateFault names what is not understood."""
    pieces = re.split(f"{re.escape(left)}(.*?){re.escape(right)}", template, flags=re.DOTALL)
    return _parse(_trimmed(pieces))


def _trimmed(pieces: list[str]) -> list[str]:
    """``{{-`` and ``-}}`` eat the white space beside them."""
    for place in range(1, len(pieces), 2):
        if re.match(r"-\s", pieces[place]):
            pieces[place] = pieces[place][1:]
            pieces[place - 1] = pieces[place - 1].rstrip()
        if re.search(r"\s-$", pieces[place]):
            pieces[place] = pieces[place][:-1]
            pieces[place + 1] = pieces[place + 1].lstrip()
        pieces[place] = pieces[place].strip()
    return pieces


def _parse(pieces: list[str]) -> tuple[Part, ...]:
    opened: list[tuple[str, list[Part]]] = [("", [])]
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            opened[-1][1].extend([Text(piece)] if piece else [])
        elif found := WITH.fullmatch(piece):
            opened.append((found[1], []))
        elif piece == "end":
            _close(opened)
        else:
            opened[-1][1].append(_value(piece, inside=len(opened) > 1))
    if len(opened) > 1:
        raise TemplateFault(f'"with nomadVar" of {opened[-1][0]} has no "end"')
    return tuple(opened[0][1])


def _close(opened: list[tuple[str, list[Part]]]) -> None:
    if len(opened) == 1:
        raise TemplateFault('"end" without "with"')
    path, body = opened.pop()
    opened[-1][1].append(With(path, tuple(body)))


def _value(action: str, *, inside: bool) -> Part:
    if found := ENV.fullmatch(action):
        return Env(found[1])
    if inside and (found := KEY.fullmatch(action)):
        return Key(found[1])
    raise TemplateFault(f'the local datacenter does not understand "{action}": env and with nomadVar are all it knows')


def render(parts: tuple[Part, ...], env: Items, variable: Callable[[str], Items | None]) -> str:
    """The text; MissingVariable while a variable is not there (or empty, or not the job's own)."""
    return "".join(_render(part, env, variable, {}) for part in parts)


def _render(part: Part, env: Items, variable: Callable[[str], Items | None], items: Items) -> str:
    match part:
        case Text(text):
            return text
        case Env(name):
            return env.get(name, "")
        case Key(name):
            return items.get(name, "")
        case With(path, body):
            found = variable(path)
            if found is None:
                raise MissingVariable(path)
            return "".join(_render(inner, env, variable, found) for inner in body)


def env_lines(text: str) -> dict[str, str]:
    """``KEY=value`` lines as an environment; quotes around a value go, comments and empty lines too."""
    found = {}
    for line in text.split("\n"):
        name, equals, value = line.strip(BLANKS).removeprefix("export ").partition("=")
        if equals and name and not name.startswith("#"):
            found[name.strip(BLANKS)] = _unquoted(value.strip(BLANKS))
    return found


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "\"'":
        return value.partition("#")[0].rstrip(BLANKS)  # in Nomad a comment may begin anywhere
    if value[0] == "'":
        return value[1:-1]
    try:
        return str(json.loads(value))
    except ValueError:
        return value[1:-1]
