"""Nodes as people may see them: everyone what is free, each the deployments of their own projects by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import Capability, User
from datacenters.interface import Held
from datacenters.jobspec import CORE_MHZ
from datacenters.models import Node
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
    return [Device(**group, mig=_mig_profile(group["model"])) for group in node.devices]


def _mig_profile(model: str) -> str:
    found = MIG.search(model)
    return found[1] if found else ""
