"""Nodes as REST tells of them."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from ninja import Schema
from pydantic import Field

from accounts.models import User
from dashboard import nodes
from dashboard.api.schemas import ListOut, Strict
from datacenters.models import Node, NodeTest
from datacenters.services import capacity_of


class NodeChangeIn(Strict):
    eligible: Annotated[bool, Field(description="false: it takes nothing new; what runs there goes on.")]


class DrainIn(Strict):
    reason: Annotated[str, Field(description="Those whose deployments run there read it.")]
    lasts_minutes: Annotated[int, Field(description="How long batches may go on to end by themselves.")] = 60


class DriverOut(Schema):
    name: str
    healthy: bool
    description: str


class NodeDeviceOut(Schema):
    vendor: str
    kind: str
    model: str
    count: int
    healthy: int
    used: int
    free: int
    memory_mb: int | None
    mig: Annotated[str, Field(description="The slice of a GPU that each of them is, as 1g.5gb; empty: whole ones.")]
    attributes: dict[str, Any]

    @classmethod
    def of(cls, device: nodes.Device) -> Self:
        return cls(**{name: getattr(device, name) for name in cls.model_fields})


class DrainOut(Schema):
    began: datetime | None
    until: datetime | None
    reason: str


class NodeOut(Schema):
    id: UUID
    name: str
    datacenter: str
    status: Annotated[str, Field(description="Nomad's word: initializing, ready, disconnected, down.")]
    ready: Annotated[bool, Field(description="Up, eligible and not draining: it takes new jobs.")]
    eligible: bool
    draining: bool
    drain: DrainOut | None
    version: str
    drivers: list[DriverOut]
    cpu_cores: float
    cpu_cores_free: float
    memory_mb: int
    memory_mb_free: int
    disk_mb: int
    disk_mb_free: int
    devices: list[NodeDeviceOut]
    passed: Annotated[bool | None, Field(description="What its last test came to; null: it was never tested.")]
    tested: datetime | None
    kept_back: Annotated[bool, Field(description="Only machines that passed take jobs there, and it has not.")]
    as_of: datetime

    @classmethod
    def of(cls, node: Node, **more: Any) -> Self:
        """Needs ``datacenter`` and its ``cluster`` loaded with the row."""
        has = capacity_of(node, node.datacenter)
        drain = DrainOut(began=node.drain_began, until=node.drain_until, reason=node.drain_reason)
        same = ("id", "name", "status", "ready", "eligible", "draining", "version", "passed", "tested")
        return cls(
            datacenter=node.datacenter.name,
            drain=drain if node.draining else None,
            drivers=[DriverOut(**driver) for driver in node.driver_health],
            cpu_cores=has.cpu_cores,
            cpu_cores_free=round(has.free_cpu_cores, 2),
            memory_mb=has.memory_mb,
            memory_mb_free=has.free_memory_mb,
            disk_mb=has.disk_mb,
            disk_mb_free=has.free_disk_mb,
            devices=[NodeDeviceOut.of(device) for device in nodes.devices_of(node)],
            kept_back=has.kept_back,
            as_of=node.seen,
            **{name: getattr(node, name) for name in same},
            **more,
        )


class UseOut(Schema):
    cpu_cores: float
    memory_mb: int
    disk_mb: int
    gpus: int

    @classmethod
    def of(cls, use: nodes.Use) -> Self:
        return cls(cpu_cores=round(use.cpu_cores, 2), memory_mb=use.memory_mb, disk_mb=use.disk_mb, gpus=use.gpus)


class TenantOut(Schema):
    deployment: Annotated[UUID | None, Field(description="null: one that you may not open (operators hear of those).")]
    title: str | None
    project: str
    status: str
    uses: UseOut

    @classmethod
    def of(cls, tenant: nodes.Tenant) -> Self:
        row = tenant.deployment
        return cls(
            deployment=row.pk if tenant.named else None,
            title=row.title if tenant.named else None,
            project=row.project.slug,
            status=row.status,
            uses=UseOut.of(tenant.use),
        )


class OthersOut(Schema):
    """All that is on the node beside the deployments told."""

    jobs: int
    uses: UseOut


class WholeNodeOut(NodeOut):
    deployments: list[TenantOut]
    others: OthersOut

    @classmethod
    def seen_by(cls, node: Node, reader: User) -> Self:
        tenants = nodes.tenants_of([node], reader)[node.pk]
        others = OthersOut(jobs=tenants.others, uses=UseOut.of(tenants.others_use))
        return cls.of(node, deployments=[TenantOut.of(one) for one in tenants.known], others=others)


class FindingOut(Schema):
    name: str
    ok: Annotated[bool | None, Field(description="null: it was not tried, for the reason given.")]
    sentence: str


class NodeTestOut(Schema):
    id: UUID
    outcome: Annotated[str, Field(description="waiting, running, passed, failed or not-tried.")]
    asked: datetime
    ended: datetime | None
    findings: list[FindingOut]

    @classmethod
    def of(cls, test: NodeTest) -> Self:
        return cls(
            id=test.pk,
            outcome=test.outcome,
            asked=test.asked,
            ended=test.ended,
            findings=[FindingOut(**finding) for finding in test.findings],
        )


class NodeTestList(ListOut):
    items: list[NodeTestOut]


class NodeList(ListOut):
    items: list[NodeOut]
