"""What a source has: one asset as found, before anything is judged."""

import json
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from marketplace import licences
from marketplace.findings import Finding, warning

METADATA_NAMES = ("ai4-metadata.yml", "ai4-metadata.yaml")
LICENCE_NAMES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "COPYING")
API_NAME = "openapi.json"
MAX_FILE = 2_000_000  # bytes

Read = Callable[[str], bytes]  # a file's first MAX_FILE + 1 bytes, by its name


class SourceError(Exception):
    """A source, or one module in it, cannot be read; the text is for people."""


@dataclass(frozen=True)
class Contents:
    """The files of one module that matter here."""

    metadata: bytes | None = None
    licence: str = ""
    installable: bool = False
    api_document: dict[str, Any] | None = None
    remarks: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Found:
    """One asset of a source. ``problem`` says why its files could not be had this time."""

    name: str
    origin: str
    contents: Contents = Contents()
    package: str = ""
    package_digest: str = ""
    revision: str = ""
    problem: str = ""
    unchanged: bool = False  # its revision is the one known


def contents(names: Iterable[str], read: Read) -> Contents:
    """What the files of a module's top folder say. ``read`` is asked only for names that are there."""
    there = set(names)
    metadata = next((read(name) for name in METADATA_NAMES if name in there), None)
    licence = next((licences.guess(read(name).decode(errors="replace")) for name in LICENCE_NAMES if name in there), "")
    project, wrong_project = _project(read("pyproject.toml")) if "pyproject.toml" in there else ({}, None)
    document, wrong_document = _api(read(API_NAME)) if API_NAME in there else (None, None)
    return Contents(
        metadata=metadata,
        licence=licence or _declared(project),
        installable=bool(project.get("name")),
        api_document=document,
        remarks=tuple(remark for remark in (wrong_project, wrong_document) if remark),
    )


def _project(data: bytes) -> tuple[dict[str, Any], Finding | None]:
    try:
        project = tomllib.loads(data.decode()).get("project")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        sentence = _("pyproject.toml cannot be read (%(problem)s), so the module cannot run as a package.")
        return {}, warning("", sentence % {"problem": problem})
    return (project if isinstance(project, dict) else {}), None


def _declared(project: dict[str, Any]) -> str:
    declared = project.get("license")
    text = declared.get("text") if isinstance(declared, dict) else declared
    return text[:80] if isinstance(text, str) and "\n" not in text else ""


def _api(data: bytes) -> tuple[dict[str, Any] | None, Finding | None]:
    try:
        document = json.loads(data) if len(data) <= MAX_FILE else None
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("paths"), dict):
        return document, None
    return None, warning("", _("openapi.json is not the document of an API; it was left out."))
