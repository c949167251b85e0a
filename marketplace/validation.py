"""Checks of a metadata file: AI4OS's own validator first, in plain words, then what it does not look at."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from jsonschema.exceptions import ValidationError

from . import images, schema
from .findings import Finding, Level, error, info, warning
from .metadata import Metadata, day, doi, is_placeholder, is_url, understand
from .reading import UnquotedDate, load

Document = Mapping[str, Any]

LARGEST_CAPABILITY = 20.0  # NVIDIA's newest is 12
LARGEST = {"cpu": 512, "gpu": 64, "memory_MB": 4_000_000, "gpu_memory_MB": 1_000_000, "storage_MB": 100_000_000}
TYPES = {
    "string": lazy("a text"),
    "array": lazy("a list"),
    "object": lazy("keys with values"),
    "integer": lazy("a whole number"),
    "number": lazy("a number"),
    "null": lazy("nothing"),
    "boolean": lazy("true or false"),
}
# Of the tags that lead elsewhere: all up to the closing bracket, quotes respected.
TAG = re.compile(r"<(img|a|video|source|iframe)((?:\s|/)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>", re.IGNORECASE)
ATTRIBUTES = re.compile(r"^(\s+[A-Za-z_:@][\w:.@-]*(\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+))?)*\s*/?$")
DESCRIPTION_CHECKED = 20_000  # characters


@dataclass(frozen=True)
class Examined:
    """A metadata file, understood and checked."""

    metadata: Metadata
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> bool:
        return any(finding.level is Level.ERROR for finding in self.findings)

    @property
    def remarkable(self) -> bool:
        return any(finding.level is not Level.INFO for finding in self.findings)


def examine(data: bytes, name: str) -> Examined:
    """Read and check one file; never raises, whatever the bytes are."""
    loaded = load(data)
    metadata = understand(loaded.document, name)
    findings = list(loaded.findings)
    if loaded.document:
        findings += reference_findings(loaded.document, metadata.document)
        findings += [finding for check in CHECKS for finding in check(loaded.document, metadata)]
    order = list(Level)
    return Examined(metadata, tuple(sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.level))))


# ── AI4OS's validator ────────────────────────────────────────────────────────────────────────────


def reference_findings(raw: Document, repaired: Document) -> Iterator[Finding]:
    """Its errors. One that a repair answers, or in an optional field, breaks nothing here: a warning."""
    left = {_place(problem) for problem in schema.problems(repaired)}
    for problem in schema.problems(raw):
        sentence = _in_words(problem)
        if _breaks(problem, left, repaired):
            yield error(_field(problem), sentence, reference=True)
        else:
            yield warning(_field(problem), f"{sentence} {_what_became_of_it(problem, repaired)}", reference=True)


def _breaks(problem: ValidationError, left: set[tuple[str, ...]], repaired: Document) -> bool:
    key = str(problem.absolute_path[0]) if problem.absolute_path else ""
    if problem.validator == "enum" or (key and key not in schema.required()):
        return False
    return _place(problem) in left or bool(key and key not in repaired)


def _place(problem: ValidationError) -> tuple[str, ...]:
    """Where it is wrong, and for a missing key which."""
    missing = str(problem.message) if problem.validator == "required" else ""
    return (*(str(part) for part in problem.absolute_path), str(problem.validator), missing)


def _field(problem: ValidationError) -> str:
    parts = [str(part) for part in problem.absolute_path if not isinstance(part, int)]
    missing = re.match(r"^'([^']+)' is a required property", problem.message)
    return ".".join([*parts, missing[1]] if missing else parts)


def _in_words(problem: ValidationError) -> str:
    words = {
        "required": lambda: _("“%(field)s” is missing."),
        "type": lambda: _("“%(field)s” is %(given)s, it should be %(wanted)s."),
        "enum": lambda: _("“%(field)s”: %(value)s is none of the values that AI4OS knows (%(known)s)."),
        "minimum": lambda: _("“%(field)s” is %(value)s, it should not be below %(limit)s."),
        "uniqueItems": lambda: _("“%(field)s” holds a value twice."),
        "pattern": lambda: _("“%(field)s” is %(value)s, it should look like 2.0.0."),
        "not": lambda: _(
            "This is the old format of metadata, version 1: “ai4-metadata migrate” turns it into version 2."
        ),
    }
    wanted: Any = problem.validator_value
    known = ", ".join(str(value) for value in wanted) if problem.validator == "enum" else ""
    facts = {
        "field": _field(problem),
        "given": _type_of(problem.instance),
        "wanted": str(TYPES.get(str(wanted), wanted)),
        "value": f"“{_short(problem.instance)}”",
        "limit": wanted,
        "known": known,
    }
    sentence = words.get(str(problem.validator))
    return sentence() % facts if sentence else _short(problem.message, 200)


def _type_of(value: Any) -> str:
    names = {str: "string", list: "array", dict: "object", bool: "boolean", int: "integer", float: "number"}
    return str(TYPES[names.get(type(value), "string" if isinstance(value, str) else "null")])


def _short(value: Any, limit: int = 60) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _what_became_of_it(problem: ValidationError, repaired: Document) -> str:
    value: Any = repaired
    for part in problem.absolute_path:
        value = value.get(part) if isinstance(value, dict) else value
    if problem.validator == "enum":
        return _("It is kept as it is; “Other” beside it would please the validator.")
    if value in (None, "", [], {}) or problem.validator == "required":
        return _("Serai leaves it out.")
    shown = ", ".join(value) if isinstance(value, list) else value
    return _("Serai reads it as “%(value)s”.") % {"value": _short(shown)}


# ── What it does not look at ─────────────────────────────────────────────────────────────────────


def unknown_keys(raw: Document, _metadata: Metadata) -> Iterator[Finding]:
    yield from _strangers("", raw, schema.keys(), schema.OTHER_KEYS)
    for key, others in (("links", schema.OTHER_LINKS), ("dates", frozenset[str]())):
        yield from _strangers(f"{key}.", _inside(raw, key), schema.inner_keys(key), others)
    resources = _inside(raw, "resources")
    yield from _strangers("resources.", resources, schema.inner_keys("resources"), frozenset())
    for use in schema.inner_keys("resources"):
        yield from _strangers(f"resources.{use}.", _inside(resources, use), schema.resource_keys(), frozenset())


def _strangers(where: str, given: Document, known: frozenset[str], others: frozenset[str]) -> Iterator[Finding]:
    for key in given:
        if key in known:
            continue
        near = difflib.get_close_matches(key, sorted(known - set(given)), n=1, cutoff=0.75)
        names = {"key": f"{where}{_short(key)}", "near": f"{where}{near[0]}" if near else ""}
        if near and key not in others:
            yield warning(names["key"], _("“%(key)s”: did you mean “%(near)s”?") % names)
        elif key in others:
            yield info(names["key"], _("“%(key)s” is in use, but not part of the schema.") % names)
        else:
            yield info(names["key"], _("“%(key)s” is not part of the schema; nothing reads it.") % names)


def empty_values(raw: Document, _metadata: Metadata) -> Iterator[Finding]:
    for key in schema.FACET_KEYS:
        if key in raw and raw[key] in ([], "", None):
            yield warning(key, _("“%(key)s” names none, so nobody finds it by this filter.") % {"key": key})
    for key in ("title", "summary", "description"):
        if isinstance(raw.get(key), str) and not raw[key].strip():
            yield warning(key, _("“%(key)s” is empty.") % {"key": key})
    for key, value in _inside(raw, "links").items():
        if value is None and key not in schema.inner_keys("links"):
            yield info(f"links.{key}", _("“links.%(key)s” has no value: leave the line out.") % {"key": key})


def dates(raw: Document, metadata: Metadata) -> Iterator[Finding]:
    for key, value in _inside(raw, "dates").items():
        if isinstance(value, UnquotedDate):
            sentence = _("“dates.%(key)s” has no quotes, so the reference validator refuses it: write '%(value)s'.")
            yield warning(f"dates.{key}", sentence % {"key": key, "value": value})
        if isinstance(value, str) and key in schema.inner_keys("dates") and day(value) is None:
            sentence = _("“dates.%(key)s” is “%(value)s”, no date such as 2026-05-31.")
            yield warning(f"dates.{key}", sentence % {"key": key, "value": _short(value)})
    if metadata.created and metadata.updated and metadata.updated < metadata.created:
        yield warning("dates.updated", _("It says that it was updated before it was created."))


def link_values(raw: Document, _metadata: Metadata) -> Iterator[Finding]:
    for key, value in _inside(raw, "links").items():
        if not isinstance(value, str) or key in ("docker_image", "ai4_template"):
            continue
        names = {"key": key, "value": _short(value)}
        if is_placeholder(value):
            sentence = _("“links.%(key)s” is still the template's placeholder (%(value)s); it is not shown.")
            yield warning(f"links.{key}", sentence % names)
        elif not is_url(value) and not doi(value) and not value.startswith("urn:"):
            yield warning(f"links.{key}", _("“links.%(key)s” is no web address: %(value)s.") % names)


def docker_image(raw: Document, metadata: Metadata) -> Iterator[Finding]:
    given = _inside(raw, "links").get("docker_image")
    if not isinstance(given, str):
        return
    image = images.parse(given)
    if image is None:
        sentence = _("“links.docker_image” is no image name such as owner/name:tag: %(value)s.")
        yield warning("links.docker_image", sentence % {"value": _short(given)})
    elif str(image) != given.strip():
        sentence = _("“links.docker_image” is read as the image %(image)s.")
        yield info("links.docker_image", sentence % {"image": metadata.docker_image})
    elif image.tag in ("", "latest") and not image.digest:
        sentence = _("“links.docker_image” names no fixed version, so what runs may change from one day to the next.")
        yield info("links.docker_image", sentence)


def doi_form(raw: Document, metadata: Metadata) -> Iterator[Finding]:
    given = raw.get("doi")
    if not isinstance(given, str) or given.strip() == metadata.doi:
        return
    if metadata.doi:
        yield info("doi", _("“doi” is read as %(doi)s; the bare form is enough.") % {"doi": metadata.doi})
    else:
        yield warning(
            "doi", _("“doi” is none: %(value)s. It looks like 10.5281/zenodo.1234567.") % {"value": _short(given)}
        )


def resources(_raw: Document, metadata: Metadata) -> Iterator[Finding]:
    asked = _inside(metadata.document, "resources")
    if not asked:
        yield info("resources", _("The file does not say what hardware it needs; deployments start from the defaults."))
    for use, numbers in asked.items():
        for key, value in numbers.items():
            names = {"field": f"resources.{use}.{key}", "value": value}
            if key == "gpu_compute_capability" and value > LARGEST_CAPABILITY:
                sentence = _(
                    "“%(field)s” is %(value)s: no GPU has that compute capability, so none can be found for it."
                )
                yield warning(names["field"], sentence % names)
            elif value > LARGEST.get(key, value):
                yield warning(names["field"], _("“%(field)s” is %(value)s, which is hardly meant so.") % names)


def description(_raw: Document, metadata: Metadata) -> Iterator[Finding]:
    text = metadata.description[:DESCRIPTION_CHECKED]
    tags = list(TAG.finditer(text))
    malformed = [tag for tag in tags if not ATTRIBUTES.match(tag[2])]
    if malformed:
        sentence = _(
            "“description” holds a malformed HTML tag: %(tag)s. Write attributes as name='value', without commas."
        )
        yield warning("description", sentence % {"tag": _short(malformed[0][0])})
    if "![" in text or any(tag[1].lower() in ("img", "video") for tag in tags):
        sentence = _("“description” holds pictures of other sites; they are shown as links.")
        yield info("description", sentence)


def _inside(document: Document, key: str) -> Document:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


CHECKS: tuple[Callable[[Document, Metadata], Iterator[Finding]], ...] = (
    unknown_keys,
    empty_values,
    dates,
    link_values,
    docker_image,
    doi_form,
    resources,
    description,
)
