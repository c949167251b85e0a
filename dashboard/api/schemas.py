"""What goes in and out of the REST API. The OpenAPI document is made of these."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, cast
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Schema
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from accounts.models import Project, User
from dashboard import addresses
from datacenters.jobspec import CORE_MHZ
from datacenters.models import Datacenter, Maintenance, Node
from jobs import lifetimes
from jobs.compilers import can_compile
from jobs.models import Deployment, DeploymentEvent
from marketplace.models import Asset

StatusName = Literal[
    "queued",
    "submitting",
    "pending",
    "starting",
    "running",
    "stopping",
    "stopped",
    "completed",
    "failed",
    "unknown",
]


class Strict(Schema):
    """A body in which an unknown member is an error: a misspelt one must not be lost in silence."""

    model_config = ConfigDict(extra="forbid")


# ── In ───────────────────────────────────────────────────────────────────────────────────────────
def _no_text(value: object) -> object:
    """Pydantic would read "1000" and true as numbers, which the document does not say."""
    if isinstance(value, str | bool):
        raise ValueError(_("A number is wanted here, without quotes."))
    return value


Whole = Annotated[int, BeforeValidator(_no_text)]
Real = Annotated[float, BeforeValidator(_no_text)]


class ResourcesIn(Strict):
    cpu_cores: Real | None = None
    memory_mb: Whole | None = None
    disk_mb: Whole | None = None
    gpus: Whole | None = None
    gpu_model: str | None = None
    gpu_vendor: str | None = None
    gpu_memory_mb: Whole | None = None
    gpu_compute_capability: Real | None = None


class StorageAttachedIn(Strict):
    storage: Annotated[str, Field(min_length=1, description="Its id, from GET storages.")]
    path: Annotated[str | None, Field(description="A folder of it; none: all of it.")] = None
    target: Annotated[str | None, Field(description="What it is called in $SERAI_STORAGES_DIR.")] = None
    mode: Literal["mount", "copy"] | None = None
    read_only: bool = False


class DatasetIn(Strict):
    source: Annotated[str, Field(min_length=1, description="A DOI, or the address of one file.")]
    target: Annotated[str | None, Field(description="What it is called in $SERAI_DATASETS_DIR.")] = None
    checksum: Annotated[str | None, Field(description="md5:… or sha256:…, of one file.")] = None
    force: Annotated[bool, Field(description="Fetch it again at each start.")] = False


class DeploymentIn(Strict):
    """A request to run something; all but ``module`` or ``tool`` has a default, which its form shows."""

    module: str | None = None
    tool: str | None = None
    title: str | None = None
    project: str | None = None
    kind: Literal["service", "batch"] | None = None
    resources: ResourcesIn = Field(default_factory=ResourcesIn)
    options: dict[str, Any] = Field(default_factory=dict)
    arguments: dict[str, Any] = Field(default_factory=dict)
    script: str | None = None
    retries: Whole | None = None
    max_run_seconds: Whole | None = None
    idle_stop_minutes: Whole | None = None
    storages: list[StorageAttachedIn] = Field(default_factory=list)
    datasets: list[DatasetIn] = Field(default_factory=list)
    datacenter: str | None = None
    prefer: list[str] = Field(default_factory=list)
    exclude: list[str] = Field(default_factory=list)
    max_wait: Annotated[int, Field(ge=0), BeforeValidator(_no_text)] | None = None
    favour: Literal["fast", "near", "green", "cheap"] | None = None


class ExtensionIn(Strict):
    minutes: Annotated[int, Field(ge=1, le=lifetimes.LONGEST_EXTENSION_MINUTES), BeforeValidator(_no_text)] = 60


# ── Out ──────────────────────────────────────────────────────────────────────────────────────────
class ProjectOut(Schema):
    id: str
    name: str
    personal: bool
    role: str

    @classmethod
    def of(cls, project: Project, user: User) -> Self:
        role = project.memberships.get(user=user).role
        return cls(id=project.slug, name=project.name, personal=project.personal_of_id == user.pk, role=role)


class QuotaOut(Schema):
    """How much of one thing a project may hold at once, and holds now."""

    project: str
    name: str
    limit: float
    used: float


class MeOut(Schema):
    username: str
    name: str
    email: str
    capabilities: list[str]
    projects: list[ProjectOut]
    quotas: list[QuotaOut]


class ModuleOut(Schema):
    id: str
    kind: str
    title: str
    summary: str
    licence: str
    libraries: list[str]
    tasks: list[str]
    categories: list[str]
    data_types: list[str]
    tags: list[str]
    updated: date | None
    condition: str
    runtimes: list[str]
    trainable: bool

    @classmethod
    def fields_of(cls, asset: Asset) -> dict[str, Any]:
        runtimes = [("package", asset.package), ("container", asset.docker_image)]
        return {
            "id": asset.slug,
            "kind": asset.kind,
            "title": asset.title,
            "summary": asset.summary,
            "licence": asset.licence,
            "libraries": asset.libraries,
            "tasks": asset.tasks,
            "categories": asset.categories,
            "data_types": asset.data_types,
            "tags": asset.tags,
            "updated": asset.updated,
            "condition": asset.condition,
            "runtimes": [name for name, how in runtimes if how],
            "trainable": asset.trainable,
        }

    @classmethod
    def of(cls, asset: Asset) -> Self:
        return cls(**cls.fields_of(asset))


class FindingOut(Schema):
    level: str
    field: str
    sentence: str


class ModuleDetailOut(ModuleOut):
    description: str
    links: dict[str, Any]
    docker_image: str
    resources: dict[str, dict[str, float]]
    report: list[FindingOut]

    @classmethod
    def fields_of(cls, asset: Asset) -> dict[str, Any]:
        links = asset.metadata.get("links")
        return super().fields_of(asset) | {
            "description": asset.description,
            "links": links if isinstance(links, dict) else {},
            "docker_image": asset.docker_image,
            "resources": {use: asset.resources(use) for use in ("inference", "training")},
            "report": asset.report,
        }


class ToolOut(Schema):
    id: str
    title: str
    summary: str
    licence: str
    tags: list[str]
    condition: str
    runtimes: list[str]
    deployable: Annotated[bool, Field(description="False: from a catalog whose tools this Serai only shows.")]

    @classmethod
    def fields_of(cls, asset: Asset) -> dict[str, Any]:
        return {
            "id": asset.slug,
            "title": asset.title,
            "summary": asset.summary,
            "licence": asset.licence,
            "tags": asset.tags,
            "condition": asset.condition,
            "runtimes": asset.runtimes,
            "deployable": can_compile(asset),
        }

    @classmethod
    def of(cls, asset: Asset) -> Self:
        return cls(**cls.fields_of(asset))


class ToolDetailOut(ToolOut):
    description: str
    links: dict[str, Any]
    resources: dict[str, float]
    report: list[FindingOut]

    @classmethod
    def fields_of(cls, asset: Asset) -> dict[str, Any]:
        links = asset.metadata.get("links")
        return super().fields_of(asset) | {
            "description": asset.description,
            "links": links if isinstance(links, dict) else {},
            "resources": asset.resources("inference"),
            "report": asset.report,
        }


class EndpointOut(BaseModel):
    name: str
    url: str
    healthy: bool


class ResourcesOut(BaseModel):
    cpu_cores: float
    memory_mb: int
    disk_mb: int
    gpus: int
    gpu_model: str
    gpu_vendor: str
    gpu_memory_mb: int
    gpu_compute_capability: float


class DeploymentOut(BaseModel):
    id: UUID
    module: str | None
    tool: str | None
    title: str
    project: str
    owner: str
    kind: str
    status: StatusName
    since: datetime
    stage: str | None
    stage_detail: str
    reason: str | None
    advice: str
    healthy: bool | None
    datacenter: str | None
    endpoints: list[EndpointOut]
    resources: ResourcesOut
    arguments: dict[str, Any]
    run: str | None
    result: Any
    exit_code: int | None
    restarts: int
    sweep: UUID | None
    deadline: Annotated[datetime | None, Field(description="When it is stopped.")]
    last_active: Annotated[datetime | None, Field(description="When it was last used.")]
    stops: Annotated[datetime | None, Field(description="When it stops if nobody uses or extends it.")]
    created: datetime
    updated: datetime

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        """Needs ``project``, ``owner`` and ``datacenter`` loaded with the row."""
        is_tool = deployment.asset_kind == "tool"
        return cls(
            id=deployment.pk,
            module=None if is_tool else deployment.asset_slug,
            tool=deployment.asset_slug if is_tool else None,
            title=deployment.title,
            project=deployment.project.slug,
            owner=deployment.owner.username,
            kind=deployment.kind,
            status=cast(StatusName, deployment.status),
            since=deployment.status_since,
            stage=deployment.stage or None,
            stage_detail=deployment.stage_detail,
            reason=deployment.reason or None,
            advice=deployment.advice,
            healthy=deployment.healthy,
            datacenter=deployment.datacenter.name if deployment.datacenter else None,
            endpoints=[
                EndpointOut(
                    name=endpoint["label"],
                    url=addresses.endpoint_url(deployment, endpoint["label"]),
                    healthy=bool(endpoint.get("healthy")),
                )
                for endpoint in deployment.endpoints
            ],
            resources=ResourcesOut(**deployment.request["resources"]),
            arguments=deployment.request.get("arguments", {}),
            run=deployment.run_id or None,
            result=deployment.result,
            exit_code=deployment.exit_code,
            restarts=deployment.restarts,
            sweep=deployment.sweep_id,
            deadline=deployment.deadline,
            last_active=deployment.last_active,
            stops=end.at if (end := lifetimes.ending(deployment)) else None,
            created=deployment.created,
            updated=deployment.updated,
        )


class AttachmentOut(Schema):
    """A storage of a deployment, as its own task told it last."""

    storage: str
    path: str
    target: str
    mode: str
    read_only: bool
    state: Annotated[str, Field(description="Empty before the start; preparing, attached, broken or detached.")]
    pending: Annotated[int, Field(description="Files that are not on the storage yet.")]
    error: str


class EventOut(Schema):
    id: int
    at: datetime
    verb: str
    sentence: str
    status: str
    actor: str | None
    evidence: dict[str, Any]

    @classmethod
    def of(cls, event: DeploymentEvent) -> Self:
        return cls(
            id=event.pk,
            at=event.at,
            verb=event.verb,
            sentence=event.sentence,
            status=event.status,
            actor=event.actor.username if event.actor else None,
            evidence=event.evidence,
        )


class ChoiceOut(Schema):
    datacenter: str
    sentence: str
    starts_now: bool
    notes: Annotated[list[str], Field(description="How near its data, how green, how full, how dear.")]


class RefusalOut(Schema):
    datacenter: str
    sentence: str


class PlanOut(Schema):
    choices: list[ChoiceOut]
    refusals: list[RefusalOut]
    hints: Annotated[list[str], Field(description="When it starts, and what would come of another wish.")]


class DeviceOut(Schema):
    vendor: str
    kind: str
    model: str
    memory_mb: int | None
    count: int
    healthy: int
    used: int


class MaintenanceOut(Schema):
    id: int
    starts: datetime
    ends: datetime
    reason: str

    @classmethod
    def of(cls, maintenance: Maintenance) -> Self:
        return cls(**{name: getattr(maintenance, name) for name in ("id", "starts", "ends", "reason")})


class DatacenterOut(Schema):
    name: str
    title: str
    cluster: str
    local: bool
    simulated_devices: bool
    healthy: bool
    problem: str | None
    unreachable_since: datetime | None
    as_of: datetime | None
    runtimes: list[str]
    nodes: int
    cpu_cores: float
    cpu_cores_free: float
    memory_mb: int
    memory_mb_free: int
    disk_mb: int
    disk_mb_free: int
    devices: list[DeviceOut]
    place: str
    latitude: float | None
    longitude: float | None
    sharing: Annotated[str, Field(description="“everybody”, or “projects”: only those that its operator named.")]
    maintenances: Annotated[list[MaintenanceOut], Field(description="Those that go on or are announced.")]

    @classmethod
    def of(cls, datacenter: Datacenter) -> Self:
        """Needs ``cluster``, ``nodes`` and ``maintenances`` loaded with the row."""
        nodes = [node for node in datacenter.nodes.all() if node.ready]
        cluster = datacenter.cluster
        runtimes = [("package", datacenter.offers_packages), ("container", datacenter.offers_containers)]
        return cls(
            name=datacenter.name,
            title=str(datacenter),
            cluster=cluster.name,
            local=cluster.local,
            simulated_devices=datacenter.simulated_devices,
            healthy=cluster.unreachable_since is None and cluster.reached is not None,
            problem=cluster.problem or None,
            unreachable_since=cluster.unreachable_since,
            as_of=cluster.reached,
            runtimes=[name for name, offered in runtimes if offered],
            nodes=len(nodes),
            cpu_cores=sum(node.cpu_cores for node in nodes),
            cpu_cores_free=round(sum(_free_cores(node) for node in nodes), 2),
            memory_mb=sum(node.memory_mb for node in nodes),
            memory_mb_free=sum(max(0, node.memory_mb - node.used_memory_mb) for node in nodes),
            disk_mb=sum(node.disk_mb for node in nodes),
            disk_mb_free=sum(max(0, node.disk_mb - node.used_disk_mb) for node in nodes),
            devices=_by_model(nodes),
            place=datacenter.place,
            latitude=datacenter.latitude,
            longitude=datacenter.longitude,
            sharing=datacenter.sharing,
            maintenances=[MaintenanceOut.of(one) for one in datacenter.maintenances.all() if one.ends > timezone.now()],
        )


def _free_cores(node: Node) -> float:
    """As placement counts them, and the pages show them."""
    return min(node.cpu_cores, max(0, node.cpu_mhz - node.used_cpu_mhz) / CORE_MHZ)


def _by_model(nodes: list[Node]) -> list[DeviceOut]:
    found: dict[tuple[str, str, str], DeviceOut] = {}
    for device in (device for node in nodes for device in node.devices):
        key = (device["vendor"], device["kind"], device["model"])
        seen = found.setdefault(
            key,
            DeviceOut(
                vendor=key[0],
                kind=key[1],
                model=key[2],
                memory_mb=device.get("memory_mb"),
                count=0,
                healthy=0,
                used=0,
            ),
        )
        seen.count += device["count"]
        seen.healthy += device["healthy"]
        seen.used += device["used"]
    return list(found.values())


class ListOut(BaseModel):
    count: int
    next: str | None


class ModuleList(ListOut):
    items: list[ModuleOut]


class ToolList(ListOut):
    items: list[ToolOut]


class DeploymentList(ListOut):
    items: list[DeploymentOut]


class AttachmentList(ListOut):
    items: list[AttachmentOut]


class EventList(ListOut):
    items: list[EventOut]


class DatacenterList(ListOut):
    items: list[DatacenterOut]
