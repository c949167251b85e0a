"""Of a tool's deployment: the login of its own server, and its snapshots."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import Field

from dashboard.api import problems
from dashboard.api.auth import WRITE
from dashboard.api.deployments import load
from dashboard.api.schemas import ListOut
from dashboard.people import person
from jobs import credentials, snapshots

router = Router(tags=["deployments"])


class CredentialOut(Schema):
    endpoint: str
    user: str
    password: str


class CredentialList(ListOut):
    items: list[CredentialOut]


class SnapshotOut(Schema):
    name: Annotated[str, Field(description="As the tool's option for restoring takes it.")]
    size: int | None
    modified: datetime | None


class SnapshotList(ListOut):
    items: list[SnapshotOut]


@router.post(
    "deployments/{id}/credentials",
    auth=WRITE,
    response=CredentialList,
    operation_id="show_deployment_credentials",
    summary="Names and passwords of a tool's own server; who asks is written into the audit",
)
def show_credentials(request: HttpRequest, id: UUID) -> CredentialList:
    found = credentials.shown_to(person(request), load(request, id))
    items = [CredentialOut(endpoint=one.endpoint, user=one.user, password=one.password) for one in found]
    return CredentialList(items=items, count=len(items), next=None)


@router.get(
    "deployments/{id}/snapshots",
    response=SnapshotList,
    operation_id="list_deployment_snapshots",
    summary="Snapshots that a tool keeps in the attached storage, newest first",
)
def list_snapshots(request: HttpRequest, id: UUID) -> HttpResponse | SnapshotList:
    deployment = load(request, id)
    if not snapshots.option_of(deployment):
        return problems.not_found()
    kept = snapshots.kept_by(deployment)
    found = kept.snapshots if kept else ()
    items = [SnapshotOut(name=one.name, size=one.size_bytes, modified=one.modified) for one in found]
    return SnapshotList(items=items, count=len(items), next=None)
