"""What waits in a project for its turn."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from pydantic import Field

from accounts.models import Project
from dashboard import queues
from dashboard.api import paging
from dashboard.api.schemas import ListOut
from dashboard.people import person

router = Router(tags=["placement"])


class QueuedOut(Schema):
    number: Annotated[int, Field(description="Its place in the queue of its GPU model; 1 is the next one.")]
    of: int
    gpu_model: Annotated[str, Field(description="Empty: without a GPU; GPU: whichever model.")]
    since: datetime | None
    expected: Annotated[datetime | None, Field(description="When it may start, as others ran; null: not known.")]
    deployment: Annotated[UUID | None, Field(description="null: not mine to see.")]
    title: str
    owner: str


class QueueList(ListOut):
    items: list[QueuedOut]


@router.get(
    "projects/{id}/queue", response=QueueList, operation_id="get_project_queue", summary="What waits for its turn"
)
def get_project_queue(
    request: HttpRequest,
    id: str,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> QueueList:
    user = person(request)
    project = get_object_or_404(Project.objects.visible_to(user), slug=id)
    found = queues.lines(project, user)
    start = paging.opened_offset(cursor)
    page = found[start : start + limit]
    following = start + len(page)
    return QueueList(
        items=[QueuedOut.model_validate(line, from_attributes=True) for line in page],
        count=len(found),
        next=paging.closed(following) if following < len(found) else None,
    )
