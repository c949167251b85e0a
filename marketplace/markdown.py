"""Markdown of other people as safe HTML.

Everything is sanitised. Pictures and videos of other sites become links: the pages load nothing from
elsewhere, and nobody learns who reads what. Headings follow the page's own (h1) without a gap.
"""

import re
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from urllib.parse import urlsplit

import nh3
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt

MAX_TEXT = 100_000  # characters
TAGS = {
    *("a", "b", "blockquote", "br", "code", "dd", "del", "details", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5"),
    *("h6", "hr", "i", "img", "kbd", "li", "ol", "p", "pre", "s", "source", "strong", "sub", "summary", "sup"),
    *("table", "tbody", "td", "th", "thead", "tr", "ul", "video"),
}
ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt"},
    "video": {"src"},
    "source": {"src"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
}
HEADING = re.compile(r"<(h[1-6])")
REL = "nofollow noopener noreferrer"

# Tags as many authors copied them: <img class='fit', src=''https://…''/>
MEDIA = re.compile(r"<(?:img|video|source)\s[^<>]{1,2000}>", re.IGNORECASE)
STRAY_COMMA = re.compile(r"""(?<=['"]),(?=\s)""")
DOUBLED_QUOTES = re.compile(r"""=(['"])\1([^'"<>]+)\1\1""")

_markdown = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])


def render(text: str) -> SafeString:
    html = nh3.clean(
        _markdown.render(MEDIA.sub(_mended, text[:MAX_TEXT])),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel=REL,
    )
    page = _WithoutMedia(_levels(html))
    page.feed(html)
    page.close()
    return mark_safe("".join(page.pieces))  # noqa: S308 (sanitised above, and written anew from its parts)


def _mended(tag: re.Match[str]) -> str:
    return DOUBLED_QUOTES.sub(r"=\1\2\1", STRAY_COMMA.sub("", tag[0]))


def _levels(html: str) -> dict[str, str]:
    """The headings in use, from h2 on: whatever the author began with."""
    return {name: f"h{min(level, 6)}" for level, name in enumerate(sorted(set(HEADING.findall(html))), start=2)}


class _WithoutMedia(HTMLParser):
    """The sanitised page again, with links where pictures and videos were, and lower headings."""

    def __init__(self, names: dict[str, str]) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._names = names
        self._in_link = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in ("img", "video", "source"):
            self.pieces += self._reference(values)
            return
        self._in_link += tag == "a"
        written = "".join(f' {name}="{escape(value)}"' for name, value in values.items())
        self.pieces.append(f"<{self._names.get(tag, tag)}{written}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("video", "source"):
            return
        self._in_link -= tag == "a"
        self.pieces.append(f"</{self._names.get(tag, tag)}>")

    def handle_data(self, data: str) -> None:
        self.pieces.append(escape(data, quote=False))

    def _reference(self, values: dict[str, str]) -> Iterator[str]:
        """In words, what was to be seen; within a link only the words."""
        address, words = values.get("src", ""), values.get("alt", "").strip()
        host = urlsplit(address).hostname if address.startswith(("http://", "https://")) else None
        if host is None:
            yield escape(words)
            return
        title = escape(words or _("picture on %(host)s") % {"host": host})
        yield title if self._in_link else f'<a href="{escape(address)}" rel="{REL}">{title}</a>'
