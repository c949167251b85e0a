"""Snapshots that a tool keeps in the storage that is attached to it, and with which it can begin again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datacenters import storage as rclone
from datacenters.storage import NotThere

from . import storages, tools
from .models import Deployment, Storage


@dataclass(frozen=True)
class Snapshot:
    name: str  # as the tool's option takes it
    size_bytes: int | None
    modified: datetime | None


@dataclass(frozen=True)
class Kept:
    """Where they lie, and which there are, newest first."""

    storage: Storage
    path: str
    snapshots: tuple[Snapshot, ...]


def option_of(deployment: Deployment) -> str:
    """The option that says with which snapshot it begins; empty where its tool keeps none."""
    tool = tools.tool_of(deployment.asset)
    return tool.snapshots.option if tool and tool.snapshots else ""


def kept_by(deployment: Deployment) -> Kept | None:
    """None where no storage that can be written is attached. Raises StorageProblem."""
    tool, attached = tools.tool_of(deployment.asset), _first_to_write(deployment)
    if attached is None or tool is None or tool.snapshots is None:
        return None
    storage = Storage.objects.filter(pk=attached["storage"]).select_related("project").first()
    if storage is None:
        return None
    path = "/".join(part for part in (attached["path"].strip("/"), tool.snapshots.folder) if part)
    return Kept(storage, path, _in(storage, path))


def _first_to_write(deployment: Deployment) -> Mapping[str, Any] | None:
    """The tool's keeper takes the first by name, as a shell lists them."""
    writable = [one for one in deployment.request.get("storages") or () if not one["read_only"]]
    return min(writable, key=lambda one: one["target"], default=None)


def _in(storage: Storage, path: str) -> tuple[Snapshot, ...]:
    try:
        entries = rclone.listing(storages.remote_of(storage), path).entries
    except NotThere:  # none was made yet
        return ()
    files = sorted((one for one in entries if not one.is_folder), key=lambda one: one.name, reverse=True)
    whole = (one for one in files if not one.name.startswith("."))  # a draft is none yet
    return tuple(Snapshot(one.name.partition(".")[0], one.size_bytes, one.modified) for one in whole)
