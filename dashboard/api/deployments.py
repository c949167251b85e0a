"""Deployments: make, look at, stop, start, delete, restore; their logs and events."""

from typing import Annotated, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router
from pydantic import Field

from dashboard import attachments, streams
from dashboard.api import paging, problems
from dashboard.api.auth import WRITE
from dashboard.api.keys import idempotency_key
from dashboard.api.schemas import (
    AttachmentList,
    AttachmentOut,
    DeploymentIn,
    DeploymentList,
    DeploymentOut,
    EventList,
    EventOut,
    ExtensionIn,
    PlanOut,
    StatusName,
)
from dashboard.forms import DeployForm, plan_of
from dashboard.people import person
from jobs import archive, lifetimes, services
from jobs.models import UNDO_LASTS, Deployment, DeploymentEvent, DeploymentQuerySet

router = Router(tags=["deployments"])
Stream = Literal["stdout", "stderr"]


@router.post(
    "deployments",
    auth=WRITE,
    response={201: DeploymentOut},
    operation_id="create_deployment",
    summary="Deploy a module or a tool, or start a training",
)
def create_deployment(request: HttpRequest, body: DeploymentIn) -> HttpResponse:
    owner = person(request)
    form = DeployForm.from_api(body.model_dump(), owner=owner)
    if not form.is_valid():
        return problems.invalid(form.problems())
    key = idempotency_key(request)
    deployment = services.deploy(form.deploy_request(), owner=owner, idempotency_key=key)
    response = _answer(deployment, 201)
    response["Location"] = f"/api/v1/deployments/{deployment.pk}"
    return response


@router.post(
    "deployments/plan", response=PlanOut, operation_id="plan_deployment", summary="Where it would run, without doing it"
)
def plan_deployment(request: HttpRequest, body: DeploymentIn) -> HttpResponse | PlanOut:
    form = DeployForm.from_api(body.model_dump(), owner=person(request))
    if not form.is_valid():
        return problems.invalid(form.problems())
    return PlanOut.model_validate(plan_of(form), from_attributes=True)


@router.get(
    "deployments", response=DeploymentList, operation_id="list_deployments", summary="What I may see, newest first"
)
def list_deployments(
    request: HttpRequest,
    q: Annotated[str, Field(description="Part of a title or module id.")] = "",
    status: Query[list[StatusName]] = [],  # noqa: B006 ninja only reads it
    project: str = "",
    module: str = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> DeploymentList:
    rows = visible(request).in_lists().search(q)
    rows = rows.filter(status__in=status) if status else rows
    rows = rows.filter(project__slug=project) if project else rows
    rows = rows.filter(asset_slug=module) if module else rows
    page, following = paging.newest_first(rows, limit=limit, cursor=cursor)
    return DeploymentList(items=[DeploymentOut.of(row) for row in page], count=rows.count(), next=following)


@router.get("deployments/{id}", response=DeploymentOut, operation_id="get_deployment", summary="One deployment")
def get_deployment(request: HttpRequest, id: UUID) -> DeploymentOut:
    return DeploymentOut.of(load(request, id))


@router.get(
    "deployments/{id}/storages",
    response=AttachmentList,
    operation_id="list_deployment_storages",
    summary="What is attached to it, and what still waits to be written there",
)
def list_attachments(request: HttpRequest, id: UUID) -> AttachmentList:
    found = attachments.storages_of(load(request, id))
    items = [AttachmentOut.model_validate(one, from_attributes=True) for one in found]
    return AttachmentList(items=items, count=len(items), next=None)


@router.post(
    "deployments/{id}/stop",
    auth=WRITE,
    response={202: DeploymentOut},
    operation_id="stop_deployment",
    summary="Stop it; its logs and history stay",
)
def stop_deployment(request: HttpRequest, id: UUID) -> HttpResponse:
    deployment = load(request, id)
    services.stop(deployment, person(request))
    return _answer(load(request, id), 202)


@router.post(
    "deployments/{id}/start",
    auth=WRITE,
    response={202: DeploymentOut},
    operation_id="start_deployment",
    summary="Start a stopped one again",
)
def start_deployment(request: HttpRequest, id: UUID) -> HttpResponse:
    deployment = load(request, id)
    services.start(deployment, person(request))
    return _answer(load(request, id), 202)


@router.post(
    "deployments/{id}/extend",
    auth=WRITE,
    response=DeploymentOut,
    operation_id="extend_deployment",
    summary="Put off its end: its deadline, and the one for want of use",
)
def extend_deployment(request: HttpRequest, id: UUID, body: ExtensionIn) -> DeploymentOut:
    return DeploymentOut.of(lifetimes.extend(load(request, id), person(request), minutes=body.minutes))


@router.delete(
    "deployments/{id}",
    auth=WRITE,
    response={202: DeploymentOut},
    operation_id="delete_deployment",
    summary="Stop and delete it; ten minutes to restore",
)
def delete_deployment(request: HttpRequest, id: UUID) -> HttpResponse:
    deployment = load(request, id)
    services.delete(deployment, person(request))
    deployment.refresh_from_db()
    return _answer(deployment, 202)


@router.post(
    "deployments/{id}/restore",
    auth=WRITE,
    response={202: DeploymentOut},
    operation_id="restore_deployment",
    summary="Undo the deletion, within ten minutes",
)
def restore_deployment(request: HttpRequest, id: UUID) -> HttpResponse:
    mine = Deployment.objects.within_reach(person(request)).with_parts()
    deployment = get_object_or_404(mine, pk=id)
    if deployment.deleted and deployment.deleted < timezone.now() - UNDO_LASTS:
        return problems.not_found()
    services.restore(deployment, person(request))
    return _answer(load(request, id), 202)


@router.get("deployments/{id}/logs", operation_id="get_deployment_logs", summary="What a task wrote, as text")
def get_logs(
    request: HttpRequest,
    id: UUID,
    task: str = "main",
    stream: Stream = "stdout",
    tail: Annotated[int | None, Field(ge=0, le=1_000_000, description="Only the last lines.")] = None,
    follow: bool = False,
) -> HttpResponseBase:
    deployment = load(request, id)
    if follow:
        followed = archive.follow(deployment, task, stream, tail=tail)
        text = streams.while_allowed(followed, request, streams.sees(id))
        response: HttpResponseBase = StreamingHttpResponse(text, content_type="text/plain; charset=utf-8")
    else:
        content = archive.read(deployment, task, stream, tail=tail)
        response = HttpResponse(content, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response


@router.get(
    "deployments/{id}/events", response=EventList, operation_id="list_deployment_events", summary="What happened to it"
)
def list_events(
    request: HttpRequest,
    id: UUID,
    limit: paging.Limit = paging.LARGEST_LIMIT,
    cursor: paging.Cursor = None,
) -> EventList | StreamingHttpResponse:
    """Oldest first. With ``Accept: text/event-stream`` a stream that goes on after ``Last-Event-ID``."""
    deployment = load(request, id)
    if "text/event-stream" in request.headers.get("Accept", ""):
        after = request.headers.get("Last-Event-ID", "")
        start = int(after) if after.isascii() and after.isdigit() else 0
        events = streams.events(deployment.pk, start, _drawn)
        return streams.event_stream(streams.while_allowed(events, request, streams.sees(id)))
    after_id = paging.opened_offset(cursor)
    rows = DeploymentEvent.objects.filter(deployment=deployment).select_related("actor").order_by("pk")
    page = list(rows.filter(pk__gt=after_id)[: limit + 1])
    following = paging.closed(page[limit - 1].pk) if len(page) > limit else None
    return EventList(items=[EventOut.of(row) for row in page[:limit]], count=rows.count(), next=following)


def visible(request: HttpRequest) -> DeploymentQuerySet:
    return Deployment.objects.visible_to(person(request)).with_parts()


def load(request: HttpRequest, pk: UUID) -> Deployment:
    """The deployment, if it is there and this person may see it; else 404."""
    return get_object_or_404(visible(request), pk=pk)


def _answer(deployment: Deployment, status: int) -> HttpResponse:
    return HttpResponse(
        DeploymentOut.of(deployment).model_dump_json(), status=status, content_type="application/json; charset=utf-8"
    )


def _drawn(event: DeploymentEvent) -> dict[str, object]:
    return EventOut.of(event).model_dump(mode="json")
