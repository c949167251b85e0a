"""Server-sent events (WHATWG HTML, section 9.2): async responses that hold no thread."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection
from django.http import HttpRequest, StreamingHttpResponse

from accounts.models import Project, User
from dashboard.feed import HEARTBEAT_SECONDS, Change, Listener, feed
from dashboard.people import person_now
from jobs.models import Deployment, DeploymentEvent

BATCH = 200
CHECKED_AGAIN_SECONDS = 10.0

Piece = TypeVar("Piece")


def event_stream(lines: AsyncIterator[str]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # nginx holds answers back otherwise
    return response


async def while_allowed(
    pieces: AsyncGenerator[Piece, None], request: HttpRequest, may: Callable[[User], bool]
) -> AsyncGenerator[Piece, None]:
    """These pieces until whoever asked signs out, loses their token, or ``may`` hear no more of it."""
    checked = time.monotonic()
    async with aclosing(pieces):
        async for piece in pieces:
            if time.monotonic() - checked >= CHECKED_AGAIN_SECONDS:
                if not await sync_to_async(_still)(request, may):
                    return
                checked = time.monotonic()
            yield piece


def sees(deployment_id: UUID) -> Callable[[User], bool]:
    return lambda user: Deployment.objects.visible_to(user).filter(pk=deployment_id).exists()


def is_in(projects: frozenset[int]) -> Callable[[User], bool]:
    """In these projects and no others: the browser comes back, and hears of the ones it is in then."""
    return lambda user: projects_of(user) == projects


def projects_of(user: User) -> frozenset[int]:
    return frozenset(Project.objects.of(user).values_list("pk", flat=True))


def _still(request: HttpRequest, may: Callable[[User], bool]) -> bool:
    try:
        user = person_now(request)
        return user is not None and may(user)
    finally:
        if not connection.in_atomic_block:
            close_old_connections()


def message(data: Any, *, event: str = "", id: object = None) -> str:  # noqa: A002 the standard's own word
    head = (f"id: {id}\n" if id is not None else "") + (f"event: {event}\n" if event else "")
    return f"{head}data: {json.dumps(data)}\n\n"


async def changes(projects: frozenset[int], only: UUID | None = None) -> AsyncGenerator[str, None]:
    """``changed`` with a deployment's id whenever one of these projects' deployments changed."""
    async with feed.listen() as news:
        yield "retry: 2000\n\n: listening\n\n"
        while True:
            change = await _next(news)
            if change is None:
                yield ": here\n\n"
            elif change.project_id in projects and only in (None, change.deployment_id):
                yield message(str(change.deployment_id), event="changed")


async def events(deployment_id: UUID, after: int, draw: Any) -> AsyncGenerator[str, None]:
    """The deployment's events after this id as ``draw`` gives them, then new ones as they come."""
    async with feed.listen() as news:
        yield "retry: 2000\n\n"
        while True:
            rows = await sync_to_async(_events_after)(deployment_id, after)
            if rows is None:
                return
            for row in rows:
                yield message(draw(row), event=row.verb.replace(" ", "-"), id=row.pk)
                after = row.pk
            if len(rows) < BATCH and not await _changed(news, deployment_id):
                yield ": here\n\n"


async def _next(news: Listener) -> Change | None:
    try:
        return await asyncio.wait_for(news.get(), HEARTBEAT_SECONDS)
    except TimeoutError:
        return None


async def _changed(news: Listener, deployment_id: UUID) -> bool:
    change = await _next(news)
    while change is not None and change.deployment_id != deployment_id:
        change = await _next(news)
    return change is not None


def _events_after(deployment_id: UUID, after: int) -> list[DeploymentEvent] | None:
    """None once the deployment is deleted."""
    if not Deployment.objects.filter(pk=deployment_id, deleted=None).exists():
        return None
    rows = DeploymentEvent.objects.filter(deployment=deployment_id, pk__gt=after).select_related("actor")
    return list(rows.order_by("pk")[:BATCH])
