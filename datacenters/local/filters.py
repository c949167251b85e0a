"""Nomad's filter expressions, as far as Serai writes them: comparisons of top-level members, joined by and/or."""

import re
from collections.abc import Callable

from .errors import Refused
from .state import Document

TERM = re.compile(r'\s*([A-Za-z]+)\s*(==|!=|matches)\s*"((?:[^"\\]|\\.)*)"\s*')
JOIN = re.compile(r"(and|or)\b")
Test = Callable[[Document], bool]


def matcher(expression: str) -> Test:
    """A test of one document; ``and`` binds closer than ``or``. Raises Refused for what is not understood."""
    if not expression.strip():
        return lambda _: True
    groups: list[list[Test]] = [[]]
    rest = expression
    while True:
        term = TERM.match(rest)
        if term is None:
            raise Refused(400, f'failed to read filter expression: the local datacenter does not understand "{rest}"')
        groups[-1].append(_test(*term.groups()))
        rest = rest[term.end() :]
        if not rest:
            return lambda document: any(all(test(document) for test in group) for group in groups)
        join = JOIN.match(rest)
        if join is None:
            raise Refused(400, f'failed to read filter expression: "and" or "or" was expected at "{rest}"')
        rest = rest[join.end() :]
        if join[1] == "or":
            groups.append([])


def _test(member: str, operator: str, quoted: str) -> Test:
    text = re.sub(r"\\(.)", r"\1", quoted)
    if operator == "matches":
        pattern = re.compile(text)
        return lambda document: pattern.search(_member(document, member)) is not None
    return lambda document: (_member(document, member) == text) == (operator == "==")


def _member(document: Document, name: str) -> str:
    if name not in document:
        raise Refused(
            400, f'failed to read result page: error finding value in datum: /{name}: couldn\'t find key: "{name}"'
        )
    return str(document[name])
