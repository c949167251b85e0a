"""AI4OS's schema of metadata files, from the package that is its reference.

Its file is read and its program left alone: importing that takes 20 MB of memory in each of Serai's processes.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

# Keys of the lists that people filter by.
FACET_KEYS = ("libraries", "tasks", "categories", "tags", "data-type")

# In use although the schema has no word for them.
OTHER_KEYS = frozenset({"license", "provenance"})
OTHER_LINKS = frozenset({"ai4_template", "training_data", "cite_url", "cicd_url", "cicd_badge"})


@cache
def schema() -> Mapping[str, Any]:
    schemata = Path(str(distribution("ai4-metadata").locate_file("ai4_metadata/assets/schemata")))
    newest = max(schemata.glob("ai4-apps-v*.json"), key=_version)
    loaded: Mapping[str, Any] = json.loads(newest.read_text())
    return loaded


def _version(file: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in file.stem.partition("-v")[2].split("."))


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(dict(schema()))


def problems(document: Mapping[str, Any]) -> list[ValidationError]:
    """What the reference validator has against this document, in the document's order."""
    return sorted(_validator().iter_errors(document), key=lambda problem: [str(part) for part in problem.absolute_path])


def keys() -> frozenset[str]:
    return frozenset(schema()["properties"])


def inner_keys(key: str) -> frozenset[str]:
    return frozenset(schema()["properties"][key].get("properties", ()))


def resource_keys() -> frozenset[str]:
    return frozenset(schema()["definitions"]["resource-configuration"]["properties"])


def required() -> frozenset[str]:
    return frozenset(schema()["required"])


@cache
def values(key: str) -> tuple[str, ...]:
    """The values the schema knows for a list, in its order; none for free ones."""
    return tuple(schema()["properties"][key]["items"].get("enum", ()))


def canonical(key: str, value: str) -> str:
    """The schema's spelling of a value, whatever its case."""
    return _spelling(values(key)).get(value.casefold(), value)


@cache
def _spelling(known: Iterable[str]) -> Mapping[str, str]:
    return {value.casefold(): value for value in known}
