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
    datacenter: str | None = None
    prefer: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_wait_seconds: int | None = None
