"""Clusters, for operators: bring one, test it, change it, let it go."""

from datetime import datetime
from typing import Annotated, Any, Self

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field

from dashboard import clusters
from dashboard.api import paging, problems
from dashboard.api.auth import WRITE
from dashboard.api.schemas import ListOut, Strict
from dashboard.cluster_forms import SECRETS, ClusterForm
from dashboard.people import person
from datacenters.models import Cluster

router = Router(tags=["clusters"])


class ClusterChangeIn(Strict):
    """What is missing stays as it is; secrets are never given back."""

    address: str | None = None
    region: str | None = None
    token: str | None = None
    ca_certificate: Annotated[str | None, Field(description="PEM; empty: the system's authorities.")] = None
    client_certificate: Annotated[str | None, Field(description="PEM, where the cluster wants one.")] = None
    client_key: Annotated[str | None, Field(description="PEM, without a pass phrase.")] = None
    trusted_for_tests: bool | None = None
    only_tested: Annotated[bool | None, Field(description="Only machines that passed their tests take jobs.")] = None
    enabled: bool | None = None


class ClusterIn(ClusterChangeIn):
    name: str
    address: str


class CheckOut(Schema):
    what: str
    ok: Annotated[bool | None, Field(description="null: it works, not as well as it could.")]
    sentence: str
    advice: str


class ClusterOut(Schema):
    id: Annotated[str, Field(description="Its name.")]
    address: str
    region: str
    local: bool
    trusted_for_tests: bool
    only_tested: bool
    enabled: bool
    version: str
    reached: datetime | None
    unreachable_since: datetime | None
    problem: str
    datacenters: list[str]
    checked: datetime | None
    checks: list[CheckOut]

    @classmethod
    def of(cls, cluster: Cluster) -> Self:
        same = ("address", "region", "local", "trusted_for_tests", "only_tested", "enabled", "version", "reached")
        also = ("unreachable_since", "problem", "checked", "checks")
        names = sorted(cluster.datacenters.values_list("name", flat=True))
        return cls(id=cluster.name, datacenters=names, **{name: getattr(cluster, name) for name in (*same, *also)})


class ClusterList(ListOut):
    items: list[ClusterOut]


@router.get("clusters", response=ClusterList, operation_id="list_clusters", summary="All clusters, for operators")
def list_clusters(
    request: HttpRequest,
    q: Annotated[str, Field(description="Part of a name.")] = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> ClusterList:
    clusters.must_operate(person(request))
    rows = Cluster.objects.filter(name__icontains=q).order_by("name")
    page, count, following = paging.by_offset(rows, limit=limit, cursor=cursor)
    return ClusterList(items=[ClusterOut.of(row) for row in page], count=count, next=following)


@router.post(
    "clusters",
    auth=WRITE,
    response={201: ClusterOut},
    operation_id="add_cluster",
    summary="Bring a cluster, and test it",
)
def add_cluster(request: HttpRequest, response: HttpResponse, body: ClusterIn) -> HttpResponse | Status[ClusterOut]:
    clusters.must_operate(person(request))
    form = ClusterForm({"region": "global", "enabled": True, **_given(body)})
    if not form.is_valid():
        return problems.invalid_form(form)
    cluster = clusters.save(form, person(request))
    response["Location"] = f"/api/v1/clusters/{cluster.name}"
    return Status(201, ClusterOut.of(cluster))


@router.get("clusters/{id}", response=ClusterOut, operation_id="get_cluster", summary="One cluster, for operators")
def get_cluster(request: HttpRequest, id: str) -> ClusterOut:
    return ClusterOut.of(_load(request, id))


@router.patch(
    "clusters/{id}", auth=WRITE, response=ClusterOut, operation_id="change_cluster", summary="Change it, and test it"
)
def change_cluster(request: HttpRequest, id: str, body: ClusterChangeIn) -> HttpResponse | ClusterOut:
    cluster = _load(request, id, local=False)
    kept = {name: getattr(cluster, name) for name in ClusterForm.base_fields if name not in SECRETS}
    form = ClusterForm(kept | _given(body), instance=cluster)
    if not form.is_valid():
        return problems.invalid_form(form)
    return ClusterOut.of(clusters.save(form, person(request)))


@router.post(
    "clusters/{id}/test",
    auth=WRITE,
    response=ClusterOut,
    operation_id="test_cluster",
    summary="Try all that Serai does there, and say what right is missing",
)
def test_cluster(request: HttpRequest, id: str) -> ClusterOut:
    cluster = _load(request, id, local=False)
    clusters.test(cluster, person(request))
    return ClusterOut.of(cluster)


@router.delete(
    "clusters/{id}",
    auth=WRITE,
    response={204: None},
    operation_id="remove_cluster",
    summary="Forget one to which nothing was ever sent",
)
def remove_cluster(request: HttpRequest, id: str) -> Status[None]:
    clusters.remove(_load(request, id), person(request))
    return Status(204, None)


def _load(request: HttpRequest, name: str, **fields: bool) -> Cluster:
    clusters.must_operate(person(request))
    return get_object_or_404(Cluster, name=name, **fields)


def _given(body: ClusterChangeIn) -> dict[str, Any]:
    return {name: value for name, value in body.model_dump().items() if value is not None}
