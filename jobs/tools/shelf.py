"""The tools that this Serai has: its own, and those of the operator's folder."""

from functools import cache
from pathlib import Path

from django.conf import settings

from datacenters.jobspec import JobKind
from marketplace.models import Asset, Kind

from .files import load
from .tool import Shelf, Tool

ORIGIN = "tool:"  # no path or address begins so: only our own mirror writes it


def known() -> Shelf:
    """Read once: files that change count from the next start on."""
    return _known(tuple(settings.SERAI_TOOL_FOLDERS))


@cache
def _known(folders: tuple[Path, ...]) -> Shelf:
    shelves = [load(folder) for folder in folders]
    tools = {name: tool for shelf in reversed(shelves) for name, tool in shelf.tools.items()}
    faults = {name: sentences for shelf in shelves for name, sentences in shelf.faults.items() if name not in tools}
    return Shelf(tools, faults)


def kind_of(asset: Asset | None, asked: str = JobKind.SERVICE) -> str:
    """A tool says itself whether it goes on or ends; a module does what is asked."""
    tool = tool_of(asset)
    return str(tool.kind) if tool else str(asked)


def tool_of(asset: Asset | None) -> Tool | None:
    """The tool that an entry of the marketplace stands for; None for modules, and for tools of other catalogs."""
    if asset is None or asset.kind != Kind.TOOL or not asset.origin.startswith(ORIGIN):
        return None
    return known().tools.get(asset.origin.removeprefix(ORIGIN))
