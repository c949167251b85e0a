"""Tokens of projects in a cluster, for operators."""

from datetime import datetime
from typing import Annotated, Self

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field

from accounts.models import Project
from dashboard import clusters
from dashboard.api import paging, problems
from dashboard.api.auth import WRITE
from dashboard.api.schemas import ListOut, Strict
from dashboard.people import person
from dashboard.token_forms import ProjectTokenForm, RenewForm
from datacenters import tokens
from datacenters.models import Cluster, ProjectToken

router = Router(tags=["clusters"])
MANAGEMENT = "Nomad's own, of type management; used once, now, and kept nowhere."


class ProjectTokenIn(Strict):
    """One of both."""

    management_token: Annotated[str, Field(description=MANAGEMENT)] = ""
    token: Annotated[str, Field(description="The project's token, made by an operator's own commands.")] = ""


class RenewIn(Strict):
    management_token: Annotated[str, Field(description=MANAGEMENT)]


class ProjectTokenOut(Schema):
    """The token itself is never given back."""

    project: str
    namespace: str
    given: datetime
    given_by: str | None

    @classmethod
    def of(cls, row: ProjectToken) -> Self:
        by = row.given_by.username if row.given_by else None
        return cls(project=row.project.slug, namespace=tokens.namespace_of(row.project), given=row.given, given_by=by)


class ProjectTokenList(ListOut):
    items: list[ProjectTokenOut]


@router.get(
    "clusters/{id}/tokens",
    response=ProjectTokenList,
    operation_id="list_cluster_tokens",
    summary="Which projects have a token of their own there",
)
def list_cluster_tokens(
    request: HttpRequest, id: str, limit: paging.Limit = paging.DEFAULT_LIMIT, cursor: paging.Cursor = None
) -> ProjectTokenList:
    rows = _load(request, id).project_tokens.select_related("project", "given_by")
    page, count, following = paging.by_offset(rows, limit=limit, cursor=cursor)
    return ProjectTokenList(items=[ProjectTokenOut.of(row) for row in page], count=count, next=following)


@router.put(
    "clusters/{id}/tokens/{project}",
    auth=WRITE,
    response=ProjectTokenOut,
    operation_id="give_cluster_token",
    summary="Give a project its token there, or another one",
)
def give_cluster_token(
    request: HttpRequest, id: str, project: str, body: ProjectTokenIn
) -> HttpResponse | ProjectTokenOut:
    cluster = _load(request, id)
    found = get_object_or_404(Project, slug=project)
    form = ProjectTokenForm({"project": found.slug, **body.model_dump()})
    if not form.is_valid() or not form.act(cluster, person(request)):
        return problems.invalid_form(form)
    return ProjectTokenOut.of(cluster.project_tokens.select_related("project", "given_by").get(project=found))


@router.delete(
    "clusters/{id}/tokens/{project}",
    auth=WRITE,
    response={204: None},
    operation_id="forget_cluster_token",
    summary="Let the project's jobs use the cluster's own token again",
)
def forget_cluster_token(request: HttpRequest, id: str, project: str) -> Status[None]:
    cluster = _load(request, id)
    tokens.take_back(cluster, get_object_or_404(Project, slug=project), person(request))
    return Status(204, None)


@router.post(
    "clusters/{id}/token",
    auth=WRITE,
    response={204: None},
    operation_id="renew_cluster_token",
    summary="Make Serai's own token there anew, in one step",
)
def renew_cluster_token(request: HttpRequest, id: str, body: RenewIn) -> HttpResponse | Status[None]:
    cluster = _load(request, id)
    form = RenewForm(body.model_dump())
    if not form.is_valid() or not form.act(cluster, person(request)):
        return problems.invalid_form(form)
    return Status(204, None)


def _load(request: HttpRequest, name: str) -> Cluster:
    clusters.must_operate(person(request))
    return get_object_or_404(Cluster, name=name, local=False)
