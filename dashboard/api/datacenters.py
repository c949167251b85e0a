"""Where jobs run: capacity, devices and health, from our own rows."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field

from dashboard import datacenters, statistics
from dashboard.api import paging, problems
from dashboard.api.auth import WRITE
from dashboard.api.schemas import DatacenterList, DatacenterOut, MaintenanceOut, Strict
from dashboard.clusters import must_operate
from dashboard.datacenter_forms import DescriptionForm, MaintenanceForm
from dashboard.people import person
from datacenters.models import Datacenter, Maintenance

router = Router(tags=["datacenters"])


class DescriptionIn(Strict):
    """What is missing stays as it is."""

    title: str = ""
    place: str = ""
    latitude: float | None = None
    longitude: float | None = None
    sharing: Literal["everybody", "projects"] = "everybody"
    projects: Annotated[list[str], Field(description="Ids of projects whose jobs go there first.")] = []
    enabled: bool = True


class MaintenanceIn(Strict):
    starts: datetime
    ends: datetime
    reason: str


class StatisticsOut(Schema):
    """One column an amount, each as long as “times”. GPUs: those that work."""

    times: list[datetime]
    cpu_cores: list[float]
    used_cpu_cores: list[float]
    memory_mb: list[float]
    used_memory_mb: list[float]
    disk_mb: list[float]
    used_disk_mb: list[float]
    gpus: list[float]
    used_gpus: list[float]
    queued: Annotated[list[float], Field(description="Deployments that wait for it.")]


@router.get("datacenters", response=DatacenterList, operation_id="list_datacenters", summary="All datacenters")
def list_datacenters(
    request: HttpRequest,
    q: Annotated[str, Field(description="Part of a name.")] = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> DatacenterList:
    rows = _datacenters().filter(name__icontains=q)
    start = paging.opened_offset(cursor)
    page = list(rows[start : start + limit])
    count = rows.count()
    following = start + len(page)
    return DatacenterList(
        items=[DatacenterOut.of(row) for row in page],
        count=count,
        next=paging.closed(following) if following < count else None,
    )


@router.get("datacenters/{name}", response=DatacenterOut, operation_id="get_datacenter", summary="One datacenter")
def get_datacenter(request: HttpRequest, name: str) -> DatacenterOut:
    return DatacenterOut.of(get_object_or_404(_datacenters(), name=name))


@router.get(
    "datacenters/{name}/statistics",
    response=StatisticsOut,
    operation_id="get_datacenter_statistics",
    summary="How full it was: every five minutes of the last two days, every hour before that",
)
def get_datacenter_statistics(
    request: HttpRequest,
    name: str,
    hours: Annotated[int, Field(ge=1, le=statistics.MOST_HOURS, description="How far back.")] = statistics.DAY_HOURS,
) -> StatisticsOut:
    found = statistics.series(get_object_or_404(_datacenters(), name=name), hours)
    return StatisticsOut(times=found.times, **found.columns)


@router.patch(
    "datacenters/{name}",
    auth=WRITE,
    response=DatacenterOut,
    operation_id="describe_datacenter",
    summary="Say where it is and whose jobs it takes, for operators",
)
def describe_datacenter(request: HttpRequest, name: str, body: DescriptionIn) -> HttpResponse | DatacenterOut:
    must_operate(person(request))
    row = get_object_or_404(Datacenter, name=name)
    kept: dict[str, Any] = {field: getattr(row, field) for field in DescriptionForm.base_fields if field != "projects"}
    kept["projects"] = list(row.projects.values_list("slug", flat=True))
    form = DescriptionForm(kept | body.model_dump(exclude_unset=True), instance=row)
    if not form.is_valid():
        return problems.invalid_form(form)
    return DatacenterOut.of(datacenters.describe(form, person(request)))


@router.post(
    "datacenters/{name}/maintenances",
    auth=WRITE,
    response={201: MaintenanceOut},
    operation_id="announce_maintenance",
    summary="Take nothing new from then until then, for operators",
)
def announce_maintenance(request: HttpRequest, name: str, body: MaintenanceIn) -> HttpResponse | Status[MaintenanceOut]:
    must_operate(person(request))
    row = get_object_or_404(Datacenter, name=name)
    form = MaintenanceForm(body.model_dump())
    if not form.is_valid():
        return problems.invalid_form(form)
    return Status(201, MaintenanceOut.of(datacenters.announce(form, row, person(request))))


@router.delete(
    "datacenters/{name}/maintenances/{id}",
    auth=WRITE,
    response={204: None},
    operation_id="call_off_maintenance",
    summary="Call it off, for operators",
)
def call_off_maintenance(request: HttpRequest, name: str, id: int) -> Status[None]:
    must_operate(person(request))
    datacenters.call_off(get_object_or_404(Maintenance, datacenter__name=name, pk=id), person(request))
    return Status(204, None)


def _datacenters() -> QuerySet[Datacenter]:
    enabled = Datacenter.objects.filter(enabled=True, cluster__enabled=True)
    return enabled.select_related("cluster").prefetch_related("nodes", "maintenances").order_by("name")
