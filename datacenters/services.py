"""Clusters as rows: their adapters, what their nodes last said, and what is free."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone
from django.utils.text import slugify

from accounts.models import Project

from .access import ProjectToken
from .capacity import Capacity, DeviceCapacity, NodeCapacity, Window
from .carbon.figures import figures_of, fresh_readings
from .interface import Adapter, DatacenterError, DeviceGroup, NodeFacts, TokenRefused, Unreachable
from .jobspec import CORE_MHZ
from .models import Cluster, Datacenter, Maintenance, Node, Sharing
from .nomad import GUARDED, TRUSTED, Drivers, NomadAdapter, capability

LOCAL = "local"
# What only a node's own page shows.
LARGE_FIELDS = ("held", "driver_health", "meta")
# People plan for the next day: what comes later only stands on the datacenter's own page.
ANNOUNCED_BEFORE = timedelta(days=1)
# A node runs packages only if it says where its Python and uv are (ARCHITECTURE.md, "What a job may count on").
OUR_META = "serai_"
DRAIN_SETTLES = timedelta(minutes=1)
PACKAGE_META = ("serai_python", "serai_uv")
# What attaching people's storages needs, and what mounting them needs besides.
STORAGE_META, MOUNT_META = ("serai_python", "serai_rclone", "serai_mounts_root"), ("serai_fuse",)


def adapter_for(cluster: Cluster, project: Project | None = None) -> Adapter:
    """The adapter of a cluster as its row says now; the same one as long as the row says the same.

    With a project: by the token that the project has there, or else by the cluster's own.
    """
    rows = ProjectToken.objects.filter(cluster=cluster, project=project) if project else ProjectToken.objects.none()
    own = rows.first()
    return adapter_with(cluster, own.token if own else cluster.token)


def adapter_with(cluster: Cluster, token: str) -> Adapter:
    drivers = TRUSTED if cluster.local or cluster.trusted_for_tests else GUARDED
    client = (cluster.client_certificate, cluster.client_key) if cluster.client_certificate else None
    return _adapter(cluster.address, cluster.region, token, cluster.ca_certificate, client, drivers)


@lru_cache(maxsize=256)
def _adapter(
    address: str, region: str, token: str, ca_certificate: str, client: tuple[str, str] | None, drivers: Drivers
) -> Adapter:
    verify = str(_pem_file(ca_certificate)) if ca_certificate else True
    shown = (str(_pem_file(client[0])), str(_pem_file(client[1]))) if client else None
    return NomadAdapter(
        address,
        token=token,
        region=region,
        verify=verify,
        certificate=shown,
        timeout=settings.NOMAD_TIMEOUT,
        drivers=drivers,
    )


def _pem_file(pem: str) -> Path:
    """The TLS library reads certificates and keys from files only; named for what is in it, so never rewritten."""
    path = Path(settings.SERAI_DATA) / "clusters" / f"{hashlib.sha256(pem.encode()).hexdigest()[:32]}.pem"
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(pem)
        draft.replace(path)
    return path


# ── The embedded local datacenter ────────────────────────────────────────────────────────────────


def register_local() -> Cluster | None:
    """The row of the embedded agent with today's address and token; None if this installation has none.

    Its datacenter and node appear by ``refresh``, as those of any cluster do.
    """
    token_file = Path(settings.SERAI_LOCAL_TOKEN_FILE)
    if not settings.SERAI_LOCAL_URL or not token_file.exists():
        return None
    values = {"address": settings.SERAI_LOCAL_URL, "token": token_file.read_text().strip(), "local": True}
    cluster, _created = Cluster.objects.update_or_create(name=LOCAL, defaults=values)
    return cluster


# ── What the nodes say ───────────────────────────────────────────────────────────────────────────


def refresh(cluster: Cluster) -> bool:
    """Ask the cluster what it has and write that down; False, and why, if it does not answer."""
    adapter = adapter_for(cluster)
    try:
        version = adapter.check()
        facts = adapter.nodes()
        if not all(map(_is_uuid, (node.id for node in facts))):
            raise Unreachable("It tells of a node whose id is none.")
    except DatacenterError as error:
        note_unreachable(cluster, error)
        return False
    with transaction.atomic():
        _write(cluster, facts)
        note_reached(cluster, version)
    return True


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def note_reached(cluster: Cluster, version: str) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(
        reached=timezone.now(), unreachable_since=None, problem="", refuses=False, version=version
    )


def note_unreachable(cluster: Cluster, error: DatacenterError) -> None:
    """Since the first time it did not answer; the last good figures stay."""
    rows = Cluster.objects.filter(pk=cluster.pk)
    rows.update(problem=str(error), refuses=isinstance(error, TokenRefused))
    rows.filter(unreachable_since=None).update(unreachable_since=timezone.now())


def _write(cluster: Cluster, facts: Sequence[NodeFacts]) -> None:
    Node.objects.filter(datacenter__cluster=cluster).exclude(pk__in=[node.id for node in facts]).delete()
    for nomad_name in sorted({node.datacenter for node in facts}):
        here = [node for node in facts if node.datacenter == nomad_name]
        datacenter = _datacenter(cluster, nomad_name, here)
        _write_nodes([(node.id, {"datacenter": datacenter, **_columns(node)}) for node in here])


def _write_nodes(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """In a few queries, however many nodes there are."""
    known = {str(pk): node for pk, node in Node.objects.in_bulk([pk for pk, _columns in rows]).items()}
    Node.objects.bulk_create(Node(pk=pk, **columns) for pk, columns in rows if pk not in known)
    changed = [(known[pk], columns) for pk, columns in rows if pk in known]
    for node, columns in changed:
        for name, value in columns.items():
            setattr(node, name, value)
    if changed:
        Node.objects.bulk_update([node for node, _columns in changed], list(changed[0][1]), batch_size=100)
    forget_ended_drains()


def forget_ended_drains() -> None:
    """What is kept of a drain ends with it; a list that is older than its beginning does not count."""
    settled = Node.objects.filter(draining=False, drain_began__lt=timezone.now() - DRAIN_SETTLES)
    settled.update(drain_began=None, drain_until=None, drain_reason="")


def _datacenter(cluster: Cluster, nomad_name: str, nodes: Sequence[NodeFacts]) -> Datacenter:
    row = Datacenter.objects.filter(cluster=cluster, nomad_name=nomad_name).first()
    row = row or Datacenter(cluster=cluster, nomad_name=nomad_name, name=_free_name(cluster, nomad_name))
    row.offers_packages = any(_runs_packages(cluster, node) for node in nodes)
    row.offers_containers = any(GUARDED.container in node.drivers for node in nodes)
    row.copies_storages = any(_attaches(cluster, node, STORAGE_META) for node in nodes)
    row.mounts_storages = any(_attaches(cluster, node, STORAGE_META + MOUNT_META) for node in nodes)
    row.simulated_devices = any(node.meta.get("serai_simulated_devices") == "true" for node in nodes)
    row.one_person = any(node.meta.get("serai_one_person") == "true" for node in nodes)
    row.save()
    return row


def _runs_packages(cluster: Cluster, node: NodeFacts) -> bool:
    return _package_driver(cluster) in node.drivers and all(node.meta.get(name) for name in PACKAGE_META)


def _attaches(cluster: Cluster, node: NodeFacts, needed: tuple[str, ...]) -> bool:
    """Only where the operator's tasks see the node's own folders: a task in a chroot mounts for itself alone."""
    sees = _package_driver(cluster) == TRUSTED.package and TRUSTED.package in node.drivers
    return sees and all(node.meta.get(name) for name in needed)


def _package_driver(cluster: Cluster) -> str:
    return (TRUSTED if cluster.local or cluster.trusted_for_tests else GUARDED).package


def _free_name(cluster: Cluster, nomad_name: str) -> str:
    """Nomad's name, with the cluster's before it where another cluster has the same."""
    plain = slugify(nomad_name)[:80] or cluster.name
    names = (plain, f"{cluster.name}-{plain}"[:80], f"{cluster.name}-{plain}"[:70] + f"-{cluster.pk}")
    return next(name for name in names if not Datacenter.objects.filter(name=name).exists())


def _columns(node: NodeFacts) -> dict[str, Any]:
    same = ("ready", "eligible", "draining", "cpu_cores", "cpu_mhz", "memory_mb", "disk_mb")
    used = ("used_cpu_mhz", "used_memory_mb", "used_disk_mb")
    return {
        **{name: getattr(node, name) for name in (*same, *used)},
        "name": node.name[:200],
        "status": node.status[:20],
        "version": node.version[:60],
        "drivers": list(node.drivers),
        "driver_health": [asdict(driver) for driver in node.driver_health],
        "meta": {name: value for name, value in node.meta.items() if name.startswith(OUR_META)},
        "held": [asdict(one) for one in node.held],
        "devices": [{**asdict(group), "attributes": dict(group.attributes)} for group in node.devices],
        "seen": timezone.now(),
    }


# ── What is free ─────────────────────────────────────────────────────────────────────────────────


def capacities() -> tuple[Capacity, ...]:
    """Every datacenter that people may choose, as last seen; no call to any of them."""
    rows = Datacenter.objects.filter(enabled=True, cluster__enabled=True).select_related("cluster", "footprint")
    soon = Maintenance.objects.filter(ends__gt=timezone.now(), starts__lt=timezone.now() + ANNOUNCED_BEFORE)
    nodes = Node.objects.defer(*LARGE_FIELDS).order_by("name")
    parts = (Prefetch("nodes", nodes), "projects", Prefetch("maintenances", soon), Prefetch("carbon", fresh_readings()))
    return tuple(_capacity(row) for row in rows.prefetch_related(*parts).order_by("name"))


def _capacity(row: Datacenter) -> Capacity:
    cluster = row.cluster
    window = next((Window(one.starts, one.ends, one.reason) for one in row.maintenances.all()), None)
    return Capacity(
        name=row.name,
        nomad_name=row.nomad_name,
        title=str(row),
        cluster=cluster.name,
        local=cluster.local,
        offers_packages=row.offers_packages,
        offers_containers=row.offers_containers,
        copies_storages=row.copies_storages,
        mounts_storages=row.mounts_storages,
        simulated_devices=row.simulated_devices,
        one_person=row.one_person,
        nodes=tuple(capacity_of(node, row) for node in row.nodes.all()),
        as_of=cluster.reached,
        unreachable_since=cluster.unreachable_since,
        problem=cluster.problem,
        place=row.place,
        latitude=row.latitude,
        longitude=row.longitude,
        projects=frozenset(project.slug for project in row.projects.all()),
        only_projects=row.sharing == Sharing.PROJECTS,
        maintenance=window,
        in_maintenance=window is not None and window.starts <= timezone.now(),
        footprint=figures_of(row),
    )


def capacity_of(node: Node, row: Datacenter) -> NodeCapacity:
    """What a node of this datacenter has and what of it is free."""
    # A scheduler counts clock rates, people count cores: a fast node never shows more cores than it has.
    cores = min(node.cpu_cores, node.cpu_mhz / CORE_MHZ)
    return NodeCapacity(
        id=str(node.pk),
        name=node.name,
        ready=node.ready,
        offers_packages=row.offers_packages and _package_driver(row.cluster) in node.drivers,
        offers_containers=GUARDED.container in node.drivers,
        cpu_cores=cores,
        free_cpu_cores=min(cores, _free(node.cpu_mhz, node.used_cpu_mhz) / CORE_MHZ),
        memory_mb=node.memory_mb,
        free_memory_mb=_free(node.memory_mb, node.used_memory_mb),
        disk_mb=node.disk_mb,
        free_disk_mb=_free(node.disk_mb, node.used_disk_mb),
        devices=tuple(_devices(node.devices)),
        kept_back=row.cluster.only_tested and not node.passed,
    )


def _devices(rows: Iterable[Mapping[str, Any]]) -> Iterable[DeviceCapacity]:
    for group in (DeviceGroup(**row) for row in rows):
        yield DeviceCapacity(
            vendor=group.vendor,
            kind=group.kind,
            model=group.model,
            total=group.count,
            healthy=group.healthy,
            free=_free(group.healthy, group.used),
            memory_mb=group.memory_mb,
            compute_capability=capability(group),
        )


def _free(total: int, used: int) -> int:
    return max(0, total - used)
