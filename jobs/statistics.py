"""Writes down every five minutes how full each datacenter is; the watcher does it, from rows, and asks nobody."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Count
from django.utils import timezone

from datacenters.capacity import NodeCapacity
from datacenters.models import Datacenter, Node
from datacenters.samples import FINE, DatacenterSample, slot, thin
from datacenters.services import LARGE_FIELDS, capacity_of

from .models import Deployment, Status

WAITING = (Status.QUEUED, Status.SUBMITTING, Status.PENDING)


def turn(now: datetime | None = None) -> int:
    """How many rows are new: one a datacenter that answers, once in five minutes. Old rows are thinned then."""
    at = slot(now or timezone.now())
    missing = _answering_without_sample(at)
    waiting, nodes = _waiting(), _nodes_of(missing)
    samples = [_sample(place, at, nodes[place.pk], waiting.get(place.pk, 0)) for place in missing]
    DatacenterSample.objects.bulk_create(samples, ignore_conflicts=True)
    if samples:
        thin(now)
    return len(samples)


def _answering_without_sample(at: datetime) -> Sequence[Datacenter]:
    """Of one that is silent nobody knows how full it is: its line has a gap."""
    answer = Datacenter.objects.filter(enabled=True, cluster__enabled=True, cluster__unreachable_since=None)
    known = DatacenterSample.objects.filter(at=at, minutes=FINE).values("datacenter")
    rows = answer.exclude(cluster__reached=None).exclude(pk__in=known)
    return list(rows.select_related("cluster"))


def _nodes_of(places: Sequence[Datacenter]) -> Mapping[int, list[NodeCapacity]]:
    """Machines that are up, also those that take nothing new: what runs there is used."""
    found: defaultdict[int, list[NodeCapacity]] = defaultdict(list)
    by_id = {place.pk: place for place in places}
    for node in Node.objects.filter(datacenter__in=places, status="ready").defer(*LARGE_FIELDS):
        found[node.datacenter_id].append(capacity_of(node, by_id[node.datacenter_id]))
    return found


def _waiting() -> Mapping[int, int]:
    rows = Deployment.objects.filter(status__in=WAITING, deleted=None).exclude(datacenter=None).order_by()
    return dict(rows.values_list("datacenter").annotate(count=Count("pk")))


def _sample(place: Datacenter, at: datetime, nodes: Sequence[NodeCapacity], waiting: int) -> DatacenterSample:
    gpus = [device for node in nodes for device in node.devices if device.kind == "gpu"]
    return DatacenterSample(
        datacenter=place,
        at=at,
        cpu_cores=sum(node.cpu_cores for node in nodes),
        used_cpu_cores=sum(node.cpu_cores - node.free_cpu_cores for node in nodes),
        memory_mb=sum(node.memory_mb for node in nodes),
        used_memory_mb=sum(node.memory_mb - node.free_memory_mb for node in nodes),
        disk_mb=sum(node.disk_mb for node in nodes),
        used_disk_mb=sum(node.disk_mb - node.free_disk_mb for node in nodes),
        gpus=sum(device.healthy for device in gpus),
        used_gpus=sum(device.healthy - device.free for device in gpus),
        queued=waiting,
    )
