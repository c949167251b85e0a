"""A module's answer, as what a page shows: an image, bars of scores, a chart, a table, the plain data. Pure."""

import base64
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from jobs.deepaas.client import Answer

from .charts import POSITIONS, Chart, chart, short

SHOWN_BYTES = 8_000_000  # more than this is not put into a page
ROWS_AT_MOST, BARS_AT_MOST, NODES_AT_MOST, DEPTH_AT_MOST = 200, 20, 1_500, 20
TEXT_AT_MOST = 100_000  # characters
LABELS, SCORES = ("labels", "classes", "names"), ("probabilities", "scores", "confidences", "probs")
LABEL, SCORE = ("label", "class", "name"), ("probability", "score", "confidence", "prob")
# Some modules answer with the type they were asked for, as ``image/*``: the first bytes tell.
SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"%PDF", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)
RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
ENDINGS = {"image/jpeg": "jpg", "image/svg+xml": "svg", "text/plain": "txt", "audio/mpeg": "mp3", "audio/wav": "wav"}


@dataclass(frozen=True)
class Bar:
    label: str
    percent: float
    text: str


@dataclass(frozen=True)
class Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left_out: int = 0


@dataclass(frozen=True)
class Node:
    """One value of the data, with those within it."""

    key: str
    text: str
    children: tuple["Node", ...] = ()


@dataclass(frozen=True)
class Block:
    """One part of a result; the template draws what is set."""

    title: str = ""
    media: str = ""  # image, audio or video
    source: str = ""  # its data: address
    bars: Sequence[Bar] = ()
    chart: Chart | None = None
    table: Table | None = None
    facts: Sequence[tuple[str, str]] = ()
    text: str = ""


@dataclass(frozen=True)
class Result:
    blocks: Sequence[Block]
    seconds: float
    size_bytes: int
    media_type: str
    download: str = ""  # a data: address; empty if there is too much of it
    file_name: str = "answer"
    tree: Node | None = None


def result_of(answer: Answer) -> Result:
    media_type = _media_type(answer)
    tree: Node | None = None
    blocks: list[Block]
    if len(answer.content) > SHOWN_BYTES:
        blocks = [Block(text=_("The answer is too large to be shown here. Call the API to get it."))]
    elif (data := _data(answer, media_type)) is not None:
        value = _unwrapped(data[0])
        blocks, tree = list(_blocks(value)), node("", value, [NODES_AT_MOST])
    else:
        blocks = [_plain_block(answer.content, media_type)]
    address = data_address(media_type, answer.content) if len(answer.content) <= SHOWN_BYTES else ""
    name = f"answer.{_ending(media_type)}"
    return Result(blocks, answer.seconds, len(answer.content), media_type, address, name, tree)


def data_address(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


# ── What it is ───────────────────────────────────────────────────────────────────────────────────
def _media_type(answer: Answer) -> str:
    told = answer.media_type.lower()
    if told and "*" not in told and told != "application/octet-stream":
        return told
    content = answer.content
    if content[:4] == b"RIFF" and content[8:12] in RIFF:
        return RIFF[content[8:12]]
    return next((kind for start, kind in SIGNATURES if content.startswith(start)), "application/octet-stream")


def _data(answer: Answer, media_type: str) -> tuple[Any] | None:
    """The answer's JSON, in a tuple since it may be null; None if it holds none."""
    if not (media_type.endswith("json") or media_type == "application/octet-stream"):
        return None
    try:
        return (answer.json(),)
    except (ValueError, RecursionError):
        return None


def _unwrapped(value: Any) -> Any:
    """DEEPaaS wraps what a module without a schema returns; some modules return JSON as a text."""
    if isinstance(value, Mapping) and "predictions" in value and set(value) <= {"status", "predictions"}:
        value = value["predictions"]
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _plain_block(content: bytes, media_type: str) -> Block:
    kind = media_type.partition("/")[0]
    if kind in ("image", "audio", "video"):
        return Block(media=kind, source=data_address(media_type, content))
    if media_type == "text/csv":
        return _table_block("", list(csv.DictReader(io.StringIO(content.decode(errors="replace")))))
    if kind == "text" or media_type.endswith(("xml", "yaml")):
        return Block(text=content.decode(errors="replace")[:TEXT_AT_MOST])
    return Block(text=_("A file of the type %(type)s. Download it to see it.") % {"type": media_type})


def _ending(media_type: str) -> str:
    return ENDINGS.get(media_type) or media_type.rpartition("/")[2].rpartition("+")[2] or "bin"


# ── What can be shown of data ────────────────────────────────────────────────────────────────────
def _blocks(value: Any, title: str = "") -> Iterator[Block]:
    if isinstance(value, Mapping):
        yield from _mapping_blocks(value, title)
    elif bars := _row_bars(value):
        yield Block(title, bars=bars)
    elif _is_rows(value):
        yield _table_block(title, value)
    elif _are_numbers(value):
        drawn = chart({title or "value": value})
        yield Block(title, chart=drawn) if drawn else Block(title, text=_text(value))
    elif not isinstance(value, list) or all(_is_scalar(item) for item in value):
        yield Block(title, text=_text(value)[:TEXT_AT_MOST])


def _mapping_blocks(value: Mapping[str, Any], title: str) -> Iterator[Block]:
    bars, used = _bars(value)
    rest = {str(key): item for key, item in value.items() if key not in used}
    facts = [(key, _text(item)) for key, item in rest.items() if _is_scalar(item)]
    # First what was found, then how sure that is.
    if facts or bars:
        yield Block(title, facts=facts, bars=bars)
    for key, item in rest.items():
        if not _is_scalar(item) and item and (isinstance(item, list) or not title):
            yield from _blocks(item, key)


def _bars(value: Mapping[str, Any]) -> tuple[list[Bar], frozenset[str]]:
    """Scores of classes, and the keys that they came from."""
    labels, scores = _first(value, LABELS), _first(value, SCORES)
    if labels and scores and len(value[labels]) == len(value[scores]) and _are_shares(value[scores]):
        return _sorted_bars(zip(value[labels], value[scores], strict=True)), frozenset((labels, scores))
    if len(value) > 1 and _are_shares(list(value.values())):
        return _sorted_bars(value.items()), frozenset(value)
    return [], frozenset()


def _row_bars(value: Any) -> list[Bar]:
    """``[{"label": …, "score": …}]``."""
    if not _is_rows(value):
        return []
    label, score = _first_scalar(value[0], LABEL), _first_scalar(value[0], SCORE)
    if not label or not score or any(set(row) != {label, score} for row in value):
        return []
    scores = [row[score] for row in value]
    return _sorted_bars((row[label], row[score]) for row in value) if _are_shares(scores) else []


def _sorted_bars(pairs: Any) -> list[Bar]:
    ordered = sorted(pairs, key=lambda pair: -pair[1])[:BARS_AT_MOST]
    return [Bar(_text(label), round(share * 100, 2), f"{share:.1%}") for label, share in ordered]


def _table_block(title: str, rows: Sequence[Mapping[str, Any]]) -> Block:
    columns = list(dict.fromkeys(str(key) for row in rows[:ROWS_AT_MOST] for key in row))
    texts = [[_text(row.get(column, "")) for column in columns] for row in rows[:ROWS_AT_MOST]]
    table = Table(columns, texts, left_out=max(0, len(rows) - ROWS_AT_MOST))
    return Block(title, table=table, chart=_rows_chart(columns, rows))


def _rows_chart(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Rows that are a series: one column says where each stands, and others are numbers."""
    position = next((name for name in columns if name.lower() in POSITIONS), None)
    if position is None or len(rows) < 3:
        return None
    numbers = {name: [_number(row.get(name)) for row in rows] for name in columns if name != position}
    drawable = {name: values for name, values in numbers.items() if None not in values}
    return chart(drawable, [_text(row.get(position)) for row in rows])  # type: ignore[arg-type]


# ── Plain data ───────────────────────────────────────────────────────────────────────────────────
def node(key: str, value: Any, budget: list[int], depth: int = 0) -> Node:
    """The data as a tree, as far as the budget of nodes goes."""
    budget[0] -= 1
    if _is_scalar(value):
        return Node(key, json.dumps(value, ensure_ascii=False)[:TEXT_AT_MOST])
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    count = f"{{{len(value)}}}" if isinstance(value, Mapping) else f"[{len(value)}]"
    if depth >= DEPTH_AT_MOST:
        return Node(key, count)
    children: list[Node] = []
    for name, item in pairs:
        if budget[0] <= 0:
            children.append(Node("…", ""))
            break
        children.append(node(str(name), item, budget, depth + 1))
    return Node(key, count, tuple(children))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return short(value) if abs(value) < 1e6 else repr(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, Mapping | list)


def _is_rows(value: Any) -> bool:
    """A list of flat objects."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(row, Mapping) and all(_is_scalar(item) for item in row.values()) for row in value)


def _are_numbers(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) > 2
    return numbers and all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)


def _are_shares(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(item, int | float) and not isinstance(item, bool) and 0 <= item <= 1 for item in value)


def _first(value: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if isinstance(value.get(name), list) and value[name]), None)


def _first_scalar(value: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in value), None)
