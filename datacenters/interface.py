"""What a cluster can be asked and told, in our words; ``nomad/`` is the one way it is done.

Every method may raise ``Unreachable`` (no answer, or none that makes sense: try again later).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol

from .jobspec import JobSpec


class DatacenterError(Exception):
    """Why a datacenter could not do what it was asked; the text is for people."""


class Unreachable(DatacenterError):
    """It did not answer, or what it answered made no sense. Trying again later may help."""


class TokenRefused(Unreachable):
    """It answers, but not to Serai's token: nothing can be asked or told until somebody changes that."""


class NamespaceMissing(TokenRefused):
    """The project has no namespace there, and Serai's token may not make one; ``namespace`` is its name."""

    def __init__(self, namespace: str) -> None:
        super().__init__(f"There is no namespace {namespace}, and Serai's token may not make one.")
        self.namespace = namespace


class JobRejected(DatacenterError):
    """It will never take this job as it is."""


class JobNotFound(DatacenterError):
    """It does not know this job: never sent, purged, or forgotten."""


class JobStatus(StrEnum):
    """What a job does, read from allocations and task states, never from Nomad's own job status."""

    PENDING = "pending"  # accepted, nothing placed (reason: why it waits)
    STARTING = "starting"  # placed; the main task is not up yet
    RUNNING = "running"  # the main task is up (health is the watcher's business)
    STOPPING = "stopping"
    STOPPED = "stopped"  # ended because we said so
    COMPLETED = "completed"  # a batch that ended with 0
    FAILED = "failed"
    UNKNOWN = "unknown"  # its node is out of reach


class Stage(StrEnum):
    """How far a start has come, in order."""

    PLACED = "placed"
    PACKAGES = "packages"  # installing packages, or pulling the image
    STORAGE = "storage"
    DATASETS = "datasets"
    STARTING = "starting"
    HEALTH = "health"


@dataclass(frozen=True)
class Reason:
    """One plain sentence, what would help, and the numbers behind it."""

    sentence: str
    advice: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskState:
    name: str
    state: Literal["pending", "running", "dead"]
    failed: bool = False
    restarts: int = 0
    exit_code: int | None = None
    started: datetime | None = None
    finished: datetime | None = None
    # (when, Nomad's event type, its text), oldest first
    events: tuple[tuple[datetime, str, str], ...] = ()


@dataclass(frozen=True)
class Endpoint:
    label: str
    host: str
    port: int


@dataclass(frozen=True)
class JobState:
    """What a cluster says of one job now. ``index`` grows with each change of it."""

    job_id: str
    namespace: str
    status: JobStatus
    index: int
    stage: Stage | None = None
    reason: Reason | None = None
    datacenter: str | None = None
    node: str | None = None
    allocation_id: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    tasks: tuple[TaskState, ...] = ()


@dataclass(frozen=True)
class JobEvent:
    """Something happened to this job: ask for its state. ``job_id`` None: a node changed."""

    index: int
    namespace: str
    job_id: str | None


@dataclass(frozen=True)
class DeviceGroup:
    """Devices of one model on one node."""

    vendor: str
    kind: str
    model: str
    count: int
    healthy: int
    used: int
    memory_mb: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Driver:
    """A way to run tasks that a node knows of, whether it works there, and what the node says of it."""

    name: str
    healthy: bool
    description: str = ""


@dataclass(frozen=True)
class Held:
    """What an allocation holds of its node; ``devices`` counts them by model."""

    allocation_id: str
    job_id: str
    cpu_mhz: int = 0
    memory_mb: int = 0
    disk_mb: int = 0
    devices: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeFacts:
    id: str
    name: str
    datacenter: str
    ready: bool  # up, eligible, not draining
    drivers: tuple[str, ...]
    cpu_cores: int
    cpu_mhz: int
    memory_mb: int
    disk_mb: int
    used_cpu_mhz: int
    used_memory_mb: int
    used_disk_mb: int
    devices: tuple[DeviceGroup, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    status: str = "ready"  # Nomad's word: initializing, ready, disconnected, down
    eligible: bool = True
    draining: bool = False
    driver_health: tuple[Driver, ...] = ()
    held: tuple[Held, ...] = ()  # by all jobs, whoever sent them


@dataclass(frozen=True)
class Rights:
    """What Serai's token may do in a cluster. None: it could not be found out."""

    regions: tuple[str, ...]
    access_control: bool  # False: everybody may do all
    management: bool = False
    expires: datetime | None = None
    sees_nodes: bool | None = None
    keeps_secrets: bool | None = None  # writes and deletes the variables of jobs
    submits: bool | None = None
    hears_events: bool | None = None  # of all namespaces at once
    changes_nodes: bool | None = None  # drains them, takes them out and in; optional


@dataclass(frozen=True)
class Access:
    """A token that was made; ``accessor`` is its public name, by which it can be ended."""

    accessor: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Usage:
    """What a job uses at this moment; cores and bytes."""

    cpu_cores: float
    memory_bytes: int
    per_task: Mapping[str, tuple[float, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Forecast:
    """What the scheduler says it would do with a job (Nomad's plan)."""

    placeable: bool
    reason: Reason | None = None


class Adapter(Protocol):
    """One cluster, with one token. Safe to use from several threads."""

    def check(self) -> str:
        """The agent's version; raises DatacenterError with what is wrong (address, token, region)."""
        ...

    def rights(self) -> Rights:
        """What may be done there with this token, found out by trying what leaves nothing behind."""
        ...

    def ensure_namespace(self, namespace: str) -> None: ...

    def give_access(self, name: str, rules: str, namespace: str = "") -> Access:
        """A token with the policy of this name, which gets these rules; a namespace first, if one is named.

        Only with a management token; raises TokenRefused with any other, and JobRejected with Nomad's own words.
        """
        ...

    def end_access(self, accessor: str) -> None:
        """End a token. An unknown one is no error."""
        ...

    def own_accessor(self) -> str:
        """The public name of this very token, once it holds; "" without access control."""
        ...

    def submit(self, spec: JobSpec, secrets: Mapping[str, str]) -> int:
        """Write the secrets to the job's variable, then register; the job's modify index.

        Raises JobRejected with the datacenter's own reasons. Sending the same spec twice is harmless.
        """
        ...

    def plan(self, spec: JobSpec) -> Forecast: ...

    def stop(self, job_id: str, namespace: str) -> None:
        """Stop without purging: logs and states stay to be read. An unknown job is no error."""
        ...

    def purge(self, job_id: str, namespace: str) -> None:
        """Forget the job, its files and its variable. An unknown job is no error."""
        ...

    def restart(self, allocation_id: str, namespace: str, task: str = "") -> None: ...

    def state(self, job_id: str, namespace: str) -> JobState:
        """Raises JobNotFound."""
        ...

    def states(self, prefix: str) -> Sequence[JobState]:
        """The state of every job whose id starts so, in all namespaces this token sees."""
        ...

    def events(self, since: int) -> Iterator[JobEvent | None]:
        """News as it comes, without end; None every now and then, so that the caller can look around.

        Ends with Unreachable: list the states again, then listen from their highest index.
        """
        ...

    def log(self, allocation_id: str, namespace: str, task: str, stream: str, offset: int = 0) -> bytes:
        """What the task wrote from this byte on; b"" if it has not started or wrote nothing."""
        ...

    def follow_log(
        self, allocation_id: str, namespace: str, task: str, stream: str, offset: int = 0
    ) -> Iterator[bytes]:
        """The same, going on until the task ends; b"" every few seconds of silence."""
        ...

    def usage(self, allocation_id: str, namespace: str) -> Usage | None:
        """None if it does not run or the agent publishes no figures."""
        ...

    def nodes(self) -> Sequence[NodeFacts]: ...

    def set_eligible(self, node_id: str, eligible: bool) -> None:
        """Whether the node takes new jobs; what runs there goes on. Needs the right to change nodes."""
        ...

    def drain(self, node_id: str, lasts: timedelta) -> None:
        """Empty the node: services go elsewhere at once, batches may end by themselves for so long."""
        ...

    def end_drain(self, node_id: str, *, eligible: bool) -> None: ...

    def job_json(self, spec: JobSpec) -> dict[str, Any]:
        """The job as it would be sent, for people to read; it holds no secret."""
        ...
