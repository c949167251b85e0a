"""What each datacenter has and what of it is free, for whoever plans where a job goes.

Figures are what the nodes last said; ``as_of`` tells their age. A node counts a core as
``jobspec.CORE_MHZ`` of Nomad's CPU shares, as the jobs that Serai sends do.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class DeviceCapacity:
    """Devices of one model on one node. A job's devices come from one of these, never from two."""

    vendor: str
    kind: str
    model: str
    total: int
    healthy: int
    free: int  # healthy and in nobody's use
    memory_mb: int | None = None  # None: the node does not say
    compute_capability: float | None = None


@dataclass(frozen=True)
class NodeCapacity:
    """One machine. A job runs on one node, so asks are compared with nodes, never with sums."""

    id: str
    name: str
    ready: bool  # up, eligible, not draining; a node that is not takes no new job
    offers_packages: bool
    offers_containers: bool
    cpu_cores: float
    free_cpu_cores: float
    memory_mb: int
    free_memory_mb: int
    disk_mb: int
    free_disk_mb: int
    devices: tuple[DeviceCapacity, ...] = ()
    # It has not passed its tests, in a cluster where only those that did take what is deployed.
    kept_back: bool = False


@dataclass(frozen=True)
class Window:
    """A time in which a datacenter takes nothing new."""

    starts: datetime
    ends: datetime
    reason: str


@dataclass(frozen=True)
class FootprintFigures:
    """What work there costs the world and its payers. Empty or None: nobody knows."""

    country: str = ""  # two letters
    pue: float | None = None
    grams_per_kwh: float | None = None  # of its electricity
    source: str = ""  # who says so, for people
    measured: datetime | None = None  # None: it is no measurement
    cost: str = ""  # low, normal, high

    @property
    def grams_per_kwh_of_work(self) -> float | None:
        """With what cooling and the rest of the building take."""
        return None if self.grams_per_kwh is None else self.grams_per_kwh * (self.pue or 1.0)


@dataclass(frozen=True)
class Capacity:
    """One datacenter."""

    name: str  # ours, unique over all clusters
    nomad_name: str  # as its own cluster calls it
    title: str
    cluster: str
    local: bool
    offers_packages: bool
    offers_containers: bool
    simulated_devices: bool
    nodes: tuple[NodeCapacity, ...]
    as_of: datetime | None  # when the cluster was last reached; None: never
    unreachable_since: datetime | None = None  # None: it answers
    problem: str = ""  # why it does not, for people
    # Whether people's storages can be attached there: copied there and back, or mounted.
    copies_storages: bool = False
    mounts_storages: bool = False
    # Its tasks run as the account that runs Serai, so they could read whatever Serai keeps.
    one_person: bool = False
    closed: str = ""  # why this person may not deploy there, for people
    place: str = ""
    latitude: float | None = None
    longitude: float | None = None
    projects: frozenset[str] = frozenset()  # slugs of those whose jobs go there first
    only_projects: bool = False  # and nobody else's
    maintenance: Window | None = None  # the one that goes on, or the next within a day
    in_maintenance: bool = False
    footprint: FootprintFigures = FootprintFigures()

    @property
    def reachable(self) -> bool:
        return self.as_of is not None and self.unreachable_since is None

    @property
    def ready_nodes(self) -> tuple[NodeCapacity, ...]:
        return tuple(node for node in self.nodes if node.ready)
