"""What of a datacenter something can run on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Protocol

from datacenters.jobspec import Runtime
from jobs import tools
from marketplace.models import Asset


@dataclass(frozen=True)
class Needs:
    """What of a datacenter this can run on: runtimes, the better one first."""

    runtimes: tuple[Runtime, ...]
    # The package is a folder beside Serai, which no other machine can see.
    local_package: bool = False


class Offers(Protocol):
    """What a datacenter's row and its capacity both say."""

    @property
    def offers_containers(self) -> bool: ...
    @property
    def offers_packages(self) -> bool: ...
    @property
    def local(self) -> bool: ...


def needs_of(asset: Asset, options: Mapping[str, Any] | None = None) -> Needs:
    """An image isolates better, so it comes first where a datacenter offers both."""
    ways: tuple[tuple[str, Runtime], ...]
    ways = ((asset.docker_image, Runtime.CONTAINER), (asset.package, Runtime.PACKAGE))
    if options and options.get(tools.BESIDE):
        ways = ways[1:]  # JupyterLab sees what is installed, not what lies in an image
    return Needs(tuple(runtime for way, runtime in ways if way), PurePath(asset.package).is_absolute())


def runtime_in(needs: Needs, place: Offers) -> Runtime | None:
    offered = {
        Runtime.CONTAINER: place.offers_containers,
        Runtime.PACKAGE: place.offers_packages and (place.local or not needs.local_package),
    }
    return next((runtime for runtime in needs.runtimes if offered[runtime]), None)
