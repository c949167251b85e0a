"""Tools in the marketplace: a source of our own, read as all others are, so that reading it again changes nothing."""

import json
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from datacenters.jobspec import Runtime
from marketplace import services
from marketplace.models import Kind, Source, SourceKind
from marketplace.sources import FINDERS, Contents, Found

from .shelf import ORIGIN, known
from .tool import Tool

SOURCE: dict[str, Any] = {
    "slug": "serai-tools",
    "title": "Tools that come with Serai",
    "kind": SourceKind.BUILT_IN,
    "location": "jobs/tools",
    "asset_kind": Kind.TOOL,
}
METADATA_VERSION = "2.3.0"
# Key of the metadata's ``resources`` <- ours.
ASKED = {
    "cpu": "cpu_cores",
    "memory_MB": "memory_mb",
    "storage_MB": "disk_mb",
    "gpu": "gpus",
    "gpu_memory_MB": "gpu_memory_mb",
}


def register() -> None:
    """Let the marketplace read this source; it cannot import us."""
    FINDERS[SourceKind.BUILT_IN] = find


def ensure() -> None:
    """The source, and its entries as the files tell them now; nothing if an administrator switched it off."""
    source, _created = Source.objects.get_or_create(slug=SOURCE["slug"], defaults=SOURCE)
    if source.enabled:
        services.sync(source)


def find(_source: Source, _known: Mapping[str, str]) -> Iterator[Found]:
    shelf = known()
    yield from map(_found, shelf.tools.values())
    for name, sentences in shelf.faults.items():
        yield Found(name, ORIGIN + name, problem=" ".join(sentences))


def _found(tool: Tool) -> Found:
    package = ORIGIN + tool.id if Runtime.PACKAGE in tool.runtimes else ""
    contents = Contents(metadata=json.dumps(metadata(tool)).encode(), licence=tool.licence)
    return Found(tool.id, ORIGIN + tool.id, contents, package=package, package_digest=tool.digest)


def metadata(tool: Tool) -> dict[str, Any]:
    """The tool in the words of every entry's metadata file (JSON is YAML too)."""
    # Whole numbers there; the form suggests what the file says.
    asked = {theirs: ceil(tool.resources[ours]) for theirs, ours in ASKED.items() if ours in tool.resources}
    return {
        "metadata_version": METADATA_VERSION,
        "title": tool.title,
        "summary": tool.summary,
        "description": tool.description,
        "links": {"source_code": f"urn:serai:tool:{tool.id}", **tool.links, **_image(tool)},
        "libraries": list(tool.libraries) or ["Other"],
        "tasks": ["Other"],
        "categories": ["AI4 tools"],
        "tags": list(tool.tags) or [tool.id],
        "resources": {"inference": asked},
    }


def _image(tool: Tool) -> dict[str, str]:
    way = tool.runtimes.get(Runtime.CONTAINER)
    return {"docker_image": way.main.image} if way else {}
