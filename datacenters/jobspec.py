"""The job as told to a datacenter: frozen, in our words. ``nomad/render.py`` turns it into Nomad's JSON.

Text in ``command``, ``args`` and ``env`` may hold Nomad's runtime interpolation (``${NOMAD_PORT_api}``,
``${meta.serai_python}``): only compilers write these. Values that come from people go through
``literal`` first, so that a ``${`` of theirs stays text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# How many MHz of Nomad's CPU shares one core is. Nomad adds up a node's cores times their clock; a
# client with `cpu_total_compute = 1000 * cores` counts exactly as we do, others take a little more.
CORE_MHZ = 1_000


class JobKind(StrEnum):
    SERVICE = "service"
    BATCH = "batch"


class Lifecycle(StrEnum):
    """When a task of the group runs (Nomad's hooks; ``sidecar`` ones stay for the group's life)."""

    PRESTART = "prestart"
    PRESTART_SIDECAR = "prestart-sidecar"
    MAIN = "main"
    POSTSTART_SIDECAR = "poststart-sidecar"
    POSTSTOP = "poststop"


class Runtime(StrEnum):
    PACKAGE = "package"  # a program of an installed environment: raw_exec or exec
    CONTAINER = "container"  # an image: docker


@dataclass(frozen=True)
class Device:
    """GPUs to ask for. Empty text and zero mean "any"."""

    count: int = 1
    kind: str = "gpu"
    vendor: str = ""
    model: str = ""
    memory_mb: int = 0
    compute_capability: float = 0.0


@dataclass(frozen=True)
class Resources:
    cpu_cores: float = 1.0
    memory_mb: int = 1_000
    gpu: Device | None = None


@dataclass(frozen=True)
class Port:
    label: str  # letters, digits and hyphens; a DNS label with the deployment's id behind it
    # Where a service answers when it is well; None: an open connection is enough.
    health_path: str | None = None
    # In a job with a network of its own: where its tasks listen there. None: the same number as outside.
    inside: int | None = None
    # Where an ingress beside the nodes shows it by itself, after it asked Serai. Empty: Serai's gateway alone does.
    host: str = ""


# What all tasks of an allocation share and what ends with it; relative, so that no operator has to allow it.
OWN_DATA = "../alloc/data"


@dataclass(frozen=True)
class Mount:
    """A folder shown to a container at ``target``: of the job's own mount folder on the host, or of ``OWN_DATA``."""

    source: str
    target: str
    # Of the folder itself; what an operator's task mounts there, it must mount read-only too.
    read_only: bool = False


@dataclass(frozen=True)
class File:
    """A file rendered into the task's folder before it starts."""

    path: str  # relative to the task's folder, as local/install.py
    content: str
    executable: bool = False


@dataclass(frozen=True)
class TaskSpec:
    name: str
    runtime: Runtime = Runtime.PACKAGE
    lifecycle: Lifecycle = Lifecycle.MAIN
    command: str = ""
    args: tuple[str, ...] = ()
    image: str = ""  # container runtime only
    env: Mapping[str, str] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    mounts: tuple[Mount, ...] = ()
    # Keys of the job's variable which this task sees in its environment (rendered into secrets/).
    secrets: tuple[str, ...] = ()
    resources: Resources = Resources()
    # A task of the operator's, written by us alone: it runs as the agent's own user.
    operator: bool = False
    restarts: int = 0
    shared_memory_mb: int = 0  # of a container's /dev/shm; 0: as the engine has it
    kill_signal: str = "SIGTERM"
    kill_timeout_seconds: int = 10


@dataclass(frozen=True)
class JobSpec:
    """One job with one group. ``id`` is ours (``serai-<deployment id>``): sending it twice changes nothing."""

    id: str
    namespace: str  # one per project
    kind: JobKind
    datacenters: tuple[str, ...]
    tasks: tuple[TaskSpec, ...]
    ports: tuple[Port, ...] = ()
    # Its containers share one network, in which they reach each other at 127.0.0.1, and others their ports alone.
    own_network: bool = False
    disk_mb: int = 1_000
    priority: int = 50
    nodes: tuple[str, ...] | None = None  # ids of the only nodes that it may run on; None: any
    # Opaque ids only: no name of a person, no secret (N5, N8).
    meta: Mapping[str, str] = field(default_factory=dict)


def literal(text: str) -> str:
    """A value from outside, kept from Nomad's interpolation (``$${`` is an escaped ``${``)."""
    return text.replace("${", "$${")
