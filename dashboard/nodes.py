"""Nodes as people may see them: everyone what is free, each the deployments of their own projects by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import Capability, Project, User
from datacenters.capacity import NodeCapacity
from datacenters.interface import DeviceGroup, Held
from datacenters.jobspec import CORE_MHZ
from datacenters.models import Datacenter, Node
from datacenters.services import capacity_of
from jobs.models import Deployment
from jobs.news import deployment_id_of

MIG = re.compile(r"\bMIG\s+(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Use:
    """What something holds of a node."""

    cpu_cores: float = 0.0
    memory_mb: int = 0
    disk_mb: int = 0
    gpus: int = 0

    @classmethod
    def of(cls, held: Held) -> "Use":
        return cls(held.cpu_mhz / CORE_MHZ, held.memory_mb, held.disk_mb, sum(held.devices.values()))

    def __add__(self, other: "Use") -> "Use":
        return Use(
            self.cpu_cores + other.cpu_cores,
            self.memory_mb + other.memory_mb,
            self.disk_mb + other.disk_mb,
            self.gpus + other.gpus,
        )


@dataclass(frozen=True)
class Tenant:
    """A deployment on a node, and what it holds there. ``named``: whether the reader may open it."""

    deployment: Deployment
    use: Use
    named: bool


@dataclass(frozen=True)
class Tenants:
    """Who is on a node: deployments that the reader hears of, and all others as one sum."""

    known: tuple[Tenant, ...]
    others: int
    others_use: Use


def seen_by(reader: User) -> QuerySet[Node]:
    rows = Node.objects.select_related("datacenter__cluster").order_by("datacenter__name", "name", "pk")
    if reader.can(Capability.OPERATE):
        return rows
    return rows.filter(datacenter__enabled=True, datacenter__cluster__enabled=True)


def tenants_of(nodes: Sequence[Node], reader: User) -> Mapping[UUID, Tenants]:
    """By node, in two queries. Operators hear whose the deployments are, which they may not open."""
    held = {node.pk: [Held(**one) for one in node.held] for node in nodes}
    ids = {pk for ones in held.values() for one in ones if (pk := deployment_id_of(one.job_id))}
    visible = Deployment.objects.visible_to(reader).filter(pk__in=ids)
    mine = set(visible.values_list("pk", flat=True))
    heard = Deployment.objects.filter(pk__in=ids) if reader.can(Capability.OPERATE) else visible
    rows = {row.pk: row for row in heard.in_lists()}
    return {pk: _tenants(ones, rows, mine) for pk, ones in held.items()}


def _tenants(held: Sequence[Held], rows: Mapping[UUID, Deployment], mine: set[UUID]) -> Tenants:
    known, others = [], []
    for one in held:
        pk = deployment_id_of(one.job_id)
        if pk and pk in rows:
            known.append(Tenant(rows[pk], Use.of(one), pk in mine))
        else:
            others.append(Use.of(one))
    return Tenants(tuple(known), len(others), sum(others, Use()))


@dataclass(frozen=True)
class Device:
    """Devices of one model on a node; ``mig`` is the slice of a GPU that each of them is, as 1g.5gb."""

    vendor: str
    kind: str
    model: str
    count: int
    healthy: int
    used: int
    memory_mb: int | None
    mig: str
    attributes: Mapping[str, Any]

    @property
    def free(self) -> int:
        return max(0, self.healthy - self.used)


def devices_of(node: Node) -> list[Device]:
    groups = [DeviceGroup(**group) for group in node.devices]
    return [Device(**vars(group), mig=_mig_profile(group.model)) for group in groups]


def _mig_profile(model: str) -> str:
    found = MIG.search(model)
    return found[1] if found else ""


@dataclass(frozen=True)
class Machine:
    node: Node
    capacity: NodeCapacity
    tenants: Tenants

    @property
    def cpu_percent(self) -> int:
        return _percent(self.capacity.free_cpu_cores, self.capacity.cpu_cores)

    @property
    def memory_percent(self) -> int:
        return _percent(self.capacity.free_memory_mb, self.capacity.memory_mb)


def _percent(free: float, whole: float) -> int:
    """How much of it is used."""
    return round(100 * (whole - free) / whole) if whole else 0


@dataclass(frozen=True)
class Place:
    """A datacenter with its machines, and sums over those that are up."""

    datacenter: Datacenter
    machines: tuple[Machine, ...]
    up: int
    cpu_cores: float
    free_cpu_cores: float
    gpus: int
    free_gpus: int
    jobs: int


def topology(reader: User) -> list[Place]:
    """Datacenter, node, allocations: in a few queries, however many there are."""
    rows = list(seen_by(reader).defer("driver_health", "meta"))
    tenants = tenants_of(rows, reader)
    places: dict[int, list[Machine]] = {}
    for node in rows:
        machine = Machine(node, capacity_of(node, node.datacenter), tenants[node.pk])
        places.setdefault(node.datacenter_id, []).append(machine)
    return [_place(tuple(machines)) for machines in places.values()]


def _place(machines: tuple[Machine, ...]) -> Place:
    up = [machine.capacity for machine in machines if machine.node.status == "ready"]
    gpus = [device for node in up for device in node.devices if device.kind == "gpu"]
    return Place(
        datacenter=machines[0].node.datacenter,
        machines=machines,
        up=len(up),
        cpu_cores=sum(node.cpu_cores for node in up),
        free_cpu_cores=sum(node.free_cpu_cores for node in up),
        gpus=sum(device.healthy for device in gpus),
        free_gpus=sum(device.free for device in gpus),
        jobs=sum(len(machine.tenants.known) + machine.tenants.others for machine in machines),
    )


@dataclass(frozen=True)
class ProjectUse:
    """What the deployments of one project hold of a datacenter; without a name: of all that the reader may not know."""

    project: Project | None
    jobs: int
    use: Use


def use_by_project(datacenter: Datacenter, reader: User) -> list[ProjectUse]:
    """Whoever holds most cores first, and all others as one sum at the end."""
    found = tenants_of(list(datacenter.nodes.defer("driver_health", "meta")), reader).values()
    by_project: dict[Project, list[Use]] = {}
    for tenant in (tenant for tenants in found for tenant in tenants.known):
        by_project.setdefault(tenant.deployment.project, []).append(tenant.use)
    known = [ProjectUse(project, len(uses), sum(uses, Use())) for project, uses in by_project.items()]
    others = ProjectUse(None, sum(one.others for one in found), sum((one.others_use for one in found), Use()))
    known.sort(key=lambda one: -one.use.cpu_cores)
    return [*known, others] if others.jobs else known
