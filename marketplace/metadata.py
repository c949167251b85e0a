"""A metadata file as Serai understands it: whatever was written, each field comes out with its type."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from . import images, schema

DOI = re.compile(r"^(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d{4,9}/\S+)$", re.IGNORECASE)
PLACEHOLDER = re.compile(r"(^|[/.])(add-some-|example\.(com|org|net)\b)", re.IGNORECASE)
NUMBER = re.compile(r"^\d{1,15}(\.\d{1,6})?$")

LINK_TITLES = {
    "source_code": _("Source code"),
    "documentation": _("Documentation"),
    "docker_image": _("Container image"),
    "dataset": _("Dataset"),
    "training_data": _("Training data"),
    "weights": _("Weights"),
    "citation": _("How to cite"),
    "cite_url": _("How to cite"),
    "zenodo_doi": _("Zenodo record"),
    "base_model": _("Base model"),
    "cicd_url": _("Build"),
}


@dataclass(frozen=True)
class Link:
    key: str
    title: str
    url: str


@dataclass(frozen=True)
class Metadata:
    """``document`` is the file with every value repaired that could be; the rest is drawn from it."""

    title: str
    summary: str
    description: str
    licence: str
    doi: str
    docker_image: str
    created: date | None
    updated: date | None
    links: tuple[Link, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)


def understand(raw: Mapping[str, Any], name: str) -> Metadata:
    """The metadata of what was loaded; ``name`` stands in for a missing title."""
    document = repaired(raw)
    image = images.parse(_text(_mapping(document, "links").get("docker_image")))
    dates = _mapping(document, "dates")
    return Metadata(
        title=(_text(document.get("title")) or title_of(name))[:300],
        summary=_text(document.get("summary")),
        description=str(document.get("description") or ""),
        licence=_text(document.get("license"))[:80],
        doi=doi(document.get("doi")),
        docker_image=str(image) if image else "",
        created=day(dates.get("created")),
        updated=day(dates.get("updated")),
        links=links(document),
        document=document,
    )


def repaired(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The document with wrong types made right where the meaning is plain, and left out where it is not."""
    repairs = {
        **dict.fromkeys(("title", "summary", "description", "metadata_version", "doi"), _as_text),
        **dict.fromkeys(("links", "dates"), _as_texts),
        "resources": _as_resources,
    }
    document = {key: repairs[key](value) if key in repairs else value for key, value in raw.items()}
    for key in schema.FACET_KEYS:
        if key in raw:
            document[key] = _as_list(key, raw[key])
    return {key: value for key, value in document.items() if value is not None}


def title_of(name: str) -> str:
    """A title for a file without one: ``seeds_classifier`` is a Seeds classifier."""
    words = re.sub(r"[-_\s]+", " ", name).strip()
    return words[:1].upper() + words[1:] if words else str(_("Unnamed"))


def links(document: Mapping[str, Any]) -> tuple[Link, ...]:
    """The links that lead somewhere, in the order people look for them."""
    given = _mapping(document, "links")
    order = sorted(given, key=lambda key: (list(LINK_TITLES).index(key) if key in LINK_TITLES else 99, key))
    found = (Link(key, str(LINK_TITLES.get(key, title_of(key))), _address(key, _text(given[key]))) for key in order)
    return tuple(link for link in found if link.url and key_is_shown(link.key))


def key_is_shown(key: str) -> bool:
    return key not in ("self", "ai4_template", "cicd_badge")


def _address(key: str, value: str) -> str:
    if key == "docker_image":
        image = images.parse(value)
        return image.page if image else ""
    if is_url(value):
        return "" if is_placeholder(value) else value
    bare = doi(value)
    return f"https://doi.org/{bare}" if bare else ""


def is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", value)
    except ValueError:
        return False


def is_placeholder(value: str) -> bool:
    return bool(PLACEHOLDER.search(value))


def doi(value: Any) -> str:
    """The bare DOI of what may be one, a URL, or neither."""
    match = DOI.match(_text(value))
    return match[1] if match else ""


def day(value: Any) -> date | None:
    try:
        return date.fromisoformat(_text(value)[:10])
    except ValueError:
        return None


def _text(value: Any) -> str:
    """A value on one line; nothing for what is no text."""
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _as_text(value: Any) -> str | None:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _as_texts(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    texts = {key: _as_text(item) for key, item in value.items()}
    return {key: text for key, text in texts.items() if text is not None}


def _as_list(key: str, value: Any) -> list[str] | None:
    """A list of different words; one text with commas is taken for a list."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return None
    words = (_text(item) for item in value if not isinstance(item, bool))
    return list(dict.fromkeys(schema.canonical(key, word)[:120] for word in words if word))


def _as_resources(value: Any) -> dict[str, dict[str, float]] | None:
    if not isinstance(value, dict):
        return None
    uses = {use: _as_numbers(value.get(use)) for use in ("inference", "training")}
    return {use: numbers for use, numbers in uses.items() if numbers}


def _as_numbers(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    numbers = {key: _number(item) for key, item in value.items() if key in schema.resource_keys()}
    return {key: number for key, number in numbers.items() if number is not None}


def _number(value: Any) -> float | None:
    if isinstance(value, str) and NUMBER.match(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return int(value) if value == int(value) else value
