"""What a page shows of a file: text, a table, a picture. Nothing of it runs: what is no text is only linked."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from datacenters import storage as rclone
from datacenters.storage import Entry, Remote

# What browsers draw without ever running a script in it: no SVG, no HTML.
PICTURES: Mapping[str, str] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}
PDF = ".pdf"
INLINE: Mapping[str, str] = {**PICTURES, PDF: "application/pdf"}
TEXT_BYTES, ROWS, COLUMNS = 200_000, 200, 50
MOST_BYTES_OF_A_PICTURE = 30_000_000


@dataclass(frozen=True)
class Preview:
    """``kind`` is text, table, picture, pdf or none."""

    kind: str
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)
    cut: bool = False
    why: str | Promise = ""


def preview(remote: Remote, entry: Entry) -> Preview:
    suffix = PurePosixPath(entry.name).suffix.lower()
    if suffix == PDF:
        return Preview("pdf")
    if suffix in PICTURES:
        large = (entry.size_bytes or 0) > MOST_BYTES_OF_A_PICTURE
        return Preview("none", why=_("This picture is too large to be shown here.")) if large else Preview("picture")
    text, cut = _text(rclone.read(remote, entry.path, most_bytes=TEXT_BYTES))
    if text is None:
        return Preview("none", why=_("This is no text and no picture. Download it to open it."))
    return READERS.get(suffix, _plain)(text, cut)


def _text(data: bytes) -> tuple[str | None, bool]:
    """The text, if it is one, and whether there is more of it."""
    cut = len(data) >= TEXT_BYTES
    try:
        # What is cut may end within a letter.
        text = data.decode("utf-8", errors="strict" if not cut else "ignore")
    except UnicodeDecodeError:
        return None, cut
    return (None if "\0" in text else text), cut


def _plain(text: str, cut: bool) -> Preview:
    return Preview("text", text=text, cut=cut)


def _json(text: str, cut: bool) -> Preview:
    try:
        return Preview("text", text=json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return _plain(text, cut)


def _table(text: str, cut: bool) -> Preview:
    lines = text.splitlines()[:-1] if cut else text.splitlines()
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [row[:COLUMNS] for row in csv.reader(io.StringIO("\n".join(lines[: ROWS + 1])), dialect) if row]
    except csv.Error:
        return _plain(text, cut)
    return Preview("table", rows=rows[:ROWS], cut=cut or len(lines) > ROWS) if rows else _plain(text, cut)


READERS: Mapping[str, Callable[[str, bool], Preview]] = {
    ".json": _json,
    ".ipynb": _json,
    ".geojson": _json,
    ".csv": _table,
    ".tsv": _table,
}
