"""``GET audit``: who did what."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from dashboard import audit
from dashboard.api import paging
from dashboard.api.project_schemas import AuditList, AuditOut
from dashboard.people import person

router = Router(tags=["audit"])


@router.get(
    "audit",
    response=AuditList,
    operation_id="list_audit",
    summary="Who did what in the projects I manage, and what I did, newest first",
)
def list_audit(
    request: HttpRequest,
    actor: Annotated[str, Field(description="User name.")] = "",
    project: Annotated[str, Field(description="Id of a project.")] = "",
    object: Annotated[str, Field(description="Id of a deployment, a storage, a sweep or a token.")] = "",
    q: Annotated[str, Field(description="Part of an action, as “deployment” or “member.added”.")] = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> AuditList:
    """Of one object, everybody who may see it; administrators see everything."""
    rows = audit.told_to(person(request), object).narrowed(actor=actor, project=project, thing=object)
    rows = rows.filter(action__icontains=q).select_related("actor", "project")
    page, following = paging.newest_first(rows, limit=limit, cursor=cursor, by="at")
    return AuditList(items=[AuditOut.of(row) for row in page], count=rows.count(), next=following)
