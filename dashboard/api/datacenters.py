"""Where jobs run: capacity, devices and health, from our own rows."""

from typing import Annotated

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from pydantic import Field

from dashboard.api import paging
from dashboard.api.schemas import DatacenterList, DatacenterOut
from datacenters.models import Datacenter

router = Router(tags=["datacenters"])


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


def _datacenters() -> QuerySet[Datacenter]:
    enabled = Datacenter.objects.filter(enabled=True, cluster__enabled=True)
    return enabled.select_related("cluster").prefetch_related("nodes").order_by("name")
