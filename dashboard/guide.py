"""The documentation inside the product: the repository's own Markdown in Serai's look, open to everybody."""

import itertools
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(settings.BASE_DIR)
# Folder of docs/ -> what its pages are for (Diátaxis, https://diataxis.fr).
SECTIONS: dict[str, str | Promise] = {
    "tutorial": _("Learn"),
    "how-to": _("Do"),
    "explanation": _("Understand"),
    "reference": _("Look up"),
}
PROJECT = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
IMAGES = "docs/images/"
OPENAPI = "docs/reference/openapi.json"
SUMMARY = re.compile(r"^# .+\n+((?:[^\n#|`].*\n?)+)")
MARKS = re.compile(r"[*_`]|\]\([^)]*\)|\[")

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Page:
    file: str  # its path in the repository
    path: str  # its path below /docs/
    title: str
    summary: str

    @property
    def url(self) -> str:
        return reverse("docs-page", args=[self.path])


@dataclass(frozen=True)
class Section:
    title: str | Promise
    pages: tuple[Page, ...]


@dataclass(frozen=True)
class Heading:
    anchor: str
    title: str


@dataclass(frozen=True)
class Shown:
    html: SafeString
    headings: tuple[Heading, ...]


@cache
def sections() -> tuple[Section, ...]:
    found = [
        Section(title, tuple(_page(f"docs/{folder}/{file.name}", f"{folder}/{file.stem}") for file in _files(folder)))
        for folder, title in SECTIONS.items()
    ]
    project = tuple(_page(name, f"project/{name.removesuffix('.md').lower()}") for name in PROJECT)
    return (*found, Section(_("Change it"), project))


@cache
def pages() -> dict[str, Page]:
    """Every page by its path below /docs/."""
    return {page.path: page for section in sections() for page in section.pages}


@cache
def show(page: Page) -> Shown:
    tokens = _markdown.parse((ROOT / page.file).read_text())
    headings = tuple(_anchor(tokens))
    for token in tokens:
        for child in token.children or ():
            _lead(child, page)
    # Long lines scroll in their own box, which the keyboard must reach.
    html = _markdown.renderer.render(tokens, _markdown.options, {}).replace("<pre>", '<pre tabindex="0">')
    return Shown(mark_safe(html), headings)  # noqa: S308 (our own files, and HTML in them stays text)


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / "docs" / folder).glob("*.md"))


def _page(file: str, path: str) -> Page:
    text = (ROOT / file).read_text()
    title = text.partition("\n")[0].removeprefix("# ")
    first = SUMMARY.match(text)
    words = MARKS.sub("", first[1]).replace("\n", " ") if first else ""
    sentence, stop, _rest = words.strip().partition(". ")
    return Page(file, path, title, sentence + stop.strip())


def _anchor(tokens: list[Token]) -> Iterator[Heading]:
    """Give each heading its anchor; those of the second level are the page's own table of contents."""
    for opening, text in itertools.pairwise(tokens):
        if opening.type != "heading_open":
            continue
        anchor = slugify(text.content)
        opening.attrSet("id", anchor)
        if opening.tag == "h2":
            yield Heading(anchor, MARKS.sub("", text.content))


def _lead(token: Token, page: Page) -> None:
    """Links and pictures are written for the repository: lead them to what is served."""
    if token.type == "link_open":
        token.attrSet("href", _address(str(token.attrs["href"]), page))
    elif token.type == "image":
        token.attrSet("src", static(_in_repository(str(token.attrs["src"]), page).replace(IMAGES, "docs/", 1)))
        token.attrSet("loading", "lazy")


def _address(href: str, page: Page) -> str:
    if "://" in href or href.startswith("#"):
        return href
    target, sign, anchor = href.partition("#")
    file = _in_repository(target, page)
    if file == OPENAPI:
        return reverse("api-docs")
    known = {other.file: other.url for other in pages().values()}
    return known.get(file, reverse("docs")) + sign + anchor


def _in_repository(target: str, page: Page) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page.file), target))
