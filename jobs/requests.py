"""What someone asks for, checked and frozen. Pages and REST make the same one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datacenters.jobspec import JobKind


@dataclass(frozen=True)
class ResourceRequest:
    cpu_cores: float = 1.0
    memory_mb: int = 1_000
    disk_mb: int = 1_000
    gpus: int = 0
    gpu_model: str = ""
    gpu_vendor: str = ""
    gpu_memory_mb: int = 0
    gpu_compute_capability: float = 0.0


@dataclass(frozen=True)
class StorageRequest:
    """A storage attached to a deployment; ``mode`` is "mount" or "copy"."""

    storage: str  # its id
    path: str = ""  # the folder of it, from its root
    target: str = ""  # the folder's name where the task finds it
    mode: str = "mount"
    read_only: bool = False


@dataclass(frozen=True)
class DatasetRequest:
    """Files fetched before the start: a DOI or an http(s) address."""

    source: str
    target: str = ""  # the folder's name where the task finds it
    checksum: str = ""  # "sha256:…" or "md5:…", of a single file
    force: bool = False  # fetch again what is there


@dataclass(frozen=True)
class DeployRequest:
    """One request to run something. ``options`` and ``arguments`` are already of the types that the
    module's form gives them; ``arguments`` are those of DEEPaaS's ``train`` (kind batch)."""

    asset: str  # slug
    title: str
    project: str  # slug
    kind: JobKind = JobKind.SERVICE
    resources: ResourceRequest = ResourceRequest()
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    script: str = ""  # run in the module's environment instead of its training (kind batch)
    storages: tuple[StorageRequest, ...] = ()
    datasets: tuple[DatasetRequest, ...] = ()
    retries: int = 0  # of a batch that failed
    max_run_seconds: int | None = None  # it is stopped after that
    idle_stop_minutes: int | None = None  # it is stopped after so long without use
    datacenter: str | None = None
    prefer: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_wait_seconds: int | None = None
    favour: str = ""  # what counts most of a place; empty: as the person or the project chose


def request_of(kept: Mapping[str, Any]) -> DeployRequest:
    """The request that ``as_json`` wrote down. What an older row does not hold has its default."""
    known = {name: value for name, value in kept.items() if name in DeployRequest.__dataclass_fields__}
    parts = {
        "kind": JobKind(kept.get("kind", JobKind.SERVICE)),
        "resources": ResourceRequest(**kept.get("resources", {})),
        "storages": tuple(StorageRequest(**storage) for storage in kept.get("storages", ())),
        "datasets": tuple(DatasetRequest(**dataset) for dataset in kept.get("datasets", ())),
        "prefer": tuple(kept.get("prefer", ())),
        "exclude": tuple(kept.get("exclude", ())),
    }
    return DeployRequest(**{**known, **parts})
