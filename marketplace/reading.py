"""From a file's bytes to a plain document, whatever the bytes are. Nothing here raises for a bad file.

YAML is read with limits (size, depth, aliases, number of values), since a few lines of it can stand for
gigabytes. What is not YAML as a whole is read key by key, so that one bad text does not hide the rest.
"""

import math
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from django.utils.translation import gettext as _

from .findings import Finding, error, info, warning

MAX_BYTES = 256_000
MAX_DEPTH = 20
MAX_ALIASES = 8
MAX_VALUES = 5_000
MAX_INTEGER = 2**53  # what JSON keeps exactly

TOP_LEVEL_KEY = re.compile(r"^([A-Za-z][\w-]*)[ \t]*:(?=\s|$)", re.MULTILINE)
INNER_KEY = re.compile(r"^[ \t]+([A-Za-z][\w-]*)[ \t]*:[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
INNER_ITEM = re.compile(r"^[ \t]*-[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff\ufeff]")
SURROGATE = re.compile("[\ud800-\udfff]")

MAPPINGS = frozenset({"links", "dates"})
LISTS = frozenset({"libraries", "tasks", "categories", "tags", "data-type"})


class UnquotedDate(str):
    """A date written without quotes: YAML makes a date of it, the schema wants a text."""

    __slots__ = ()


class Refused(Exception):
    """Read no further: the text is for people."""


@dataclass(frozen=True)
class Loaded:
    """A file as a JSON-like document (an ``UnquotedDate`` is still a text), and what was noticed on the way."""

    document: dict[str, Any]
    findings: tuple[Finding, ...] = ()


def load(data: bytes) -> Loaded:
    if len(data) > MAX_BYTES:
        limit = MAX_BYTES // 1000
        return Loaded({}, (error("", _("The file is larger than %(limit)d kB and was not read.") % {"limit": limit}),))
    text, noticed = _decode(data)
    try:
        value, doubled = _parse(text)
    except Refused as refusal:
        return Loaded({}, (*noticed, error("", str(refusal))))
    except yaml.YAMLError as problem:
        document, found = _by_key(text, problem)
        return Loaded(document, (*noticed, *found))
    if isinstance(value, dict):
        return Loaded(value, (*noticed, *doubled))
    return Loaded({}, (*noticed, error("", _("The file holds no keys and values, such as “title: Seed classifier”."))))


def _decode(data: bytes) -> tuple[str, list[Finding]]:
    text, noticed = _text(data)
    if CONTROL.search(text):
        text = CONTROL.sub("", text)
        noticed.append(warning("", _("The file holds control characters; they were left out.")))
    return text, noticed


def _text(data: bytes) -> tuple[str, list[Finding]]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        sentence = _("The file is UTF-16: save it as UTF-8.")
        return data.decode("utf-16", errors="replace"), [warning("", sentence)]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        sentence = _("The file is not UTF-8, so some letters may be wrong: save it as UTF-8.")
        return data.decode("cp1252", errors="replace"), [warning("", sentence)]
    marked = data.startswith(b"\xef\xbb\xbf")
    return text, [info("", _("The file starts with a byte order mark, which UTF-8 needs not."))] if marked else []


class _Loader(yaml.SafeLoader):
    """YAML's plain values only; keeps unquoted dates as text and remembers keys that come twice."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.doubled: list[Finding] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                self.doubled.append(_doubled(key))
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _doubled(key: yaml.ScalarNode) -> Finding:
    sentence = _("“%(key)s” comes twice, again in line %(line)d: the last one counts. Remove one of them.")
    return warning(str(key.value), sentence % {"key": key.value, "line": key.start_mark.line + 1})


def _date(_loader: _Loader, node: yaml.ScalarNode) -> UnquotedDate:
    return UnquotedDate(node.value)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    try:
        value = int(loader.construct_yaml_int(node))
    except ValueError:  # thousands of digits
        return str(node.value)
    return value if abs(value) <= MAX_INTEGER else str(node.value)


def _real(loader: _Loader, node: yaml.ScalarNode) -> float | str:
    value = float(loader.construct_yaml_float(node))
    return value if math.isfinite(value) else str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _real)


def _parse(text: str) -> tuple[Any, list[Finding]]:
    _check_limits(text)
    loader = _Loader(text)
    try:
        value = loader.get_single_data()
    finally:
        loader.dispose()
    return _plain(value, iter(range(MAX_VALUES))), loader.doubled


def _check_limits(text: str) -> None:
    """Look at the file's events, which come without recursion, before anything is built of them."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH:
            raise Refused(_("The file is nested too deeply to be a metadata file."))
        if aliases > MAX_ALIASES:
            raise Refused(_("The file repeats itself by YAML aliases (*name) too often: write the values out."))
        tag = getattr(event, "tag", None)
        if tag not in (None, "!", "tag:yaml.org,2002:str"):
            raise Refused(_("The file uses a YAML tag (%(tag)s): write plain values.") % {"tag": str(tag)[:60]})


def _plain(value: Any, budget: Iterator[int], depth: int = 0) -> Any:
    """The value as JSON knows it; budget and depth end what aliases blew up."""
    if depth > MAX_DEPTH * MAX_ALIASES:
        raise Refused(_("The file holds a value that holds itself."))
    if next(budget, None) is None:
        raise Refused(_("The file holds more than %(limit)d values.") % {"limit": MAX_VALUES})
    if isinstance(value, dict):
        return {_clean(str(key)): _plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, budget, depth + 1) for item in value]
    if isinstance(value, UnquotedDate):
        return value
    return _clean(value) if isinstance(value, str) else value


def _clean(text: str) -> str:
    """Without what a database cannot keep: escapes in YAML can make NUL and half characters."""
    return SURROGATE.sub("\ufffd", text.replace("\x00", ""))


def _by_key(text: str, problem: yaml.YAMLError) -> tuple[dict[str, Any], list[Finding]]:
    """What can be had of a text that is not YAML as a whole: each top-level key is read alone."""
    found = [error("", _("The file is not YAML: %(problem)s.") % {"problem": _in_words(problem)})]
    document: dict[str, Any] = {}
    for key, block in _blocks(text):
        value, finding = _read_block(key, block)
        document[key] = value
        if finding:
            found.append(finding)
    return document, found


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    starts = list(TOP_LEVEL_KEY.finditer(text))[:100]
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends, strict=False):
        yield match[1], text[match.start() : end]


def _read_block(key: str, block: str) -> tuple[Any, Finding | None]:
    try:
        value, _doubled = _parse(block)
    except (yaml.YAMLError, Refused):
        return _by_eye(key, block), _advice(key)
    return (value.get(key) if isinstance(value, dict) else None), None


def _by_eye(key: str, block: str) -> Any:
    body = block.split(":", 1)[1]
    if key in MAPPINGS:
        return {match[1]: match[2].strip("'\"") for match in INNER_KEY.finditer(body)}
    if key in LISTS:
        return [match[1].strip("'\"") for match in INNER_ITEM.finditer(body)]
    first, *rest = body.strip(" \t\n").split("\n")
    return "\n".join([first.strip(), textwrap.dedent("\n".join(rest))]).strip()


def _advice(key: str) -> Finding:
    if key in MAPPINGS | LISTS:
        sentence = _("“%(key)s” was read line by line: check its indentation and quotes.")
    else:
        sentence = _(
            "“%(key)s” is shown as it is written. A text of several lines, or with “: ” in it, "
            "starts with “%(key)s: |-” and continues on indented lines."
        )
    return error(key, sentence % {"key": key})


def _in_words(problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    what = str(getattr(problem, "problem", None) or getattr(problem, "reason", None) or problem).splitlines()[0]
    return _("line %(line)d, %(what)s") % {"line": mark.line + 1, "what": what} if mark else what
