"""Tools: ``GET tools``, ``tools/{id}``, ``tools/{id}/form``."""

from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from pydantic import Field

from dashboard.api import paging
from dashboard.api.schemas import ToolDetailOut, ToolList, ToolOut
from dashboard.form_schema import json_schema
from dashboard.forms import DeployForm
from dashboard.people import person
from jobs.tools import kind_of
from marketplace import search
from marketplace.models import Asset, Kind

router = Router(tags=["tools"])


@router.get("tools", response=ToolList, operation_id="list_tools", summary="Find tools: a development environment, …")
def list_tools(
    request: HttpRequest,
    q: Annotated[str, Field(description="Words to search for.")] = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> ToolList:
    query = search.Query.from_params(request.GET).where("kind", Kind.TOOL)
    start = paging.opened_offset(cursor)
    page = search.find(query, offset=start, limit=limit)
    following = start + len(page.items)
    return ToolList(
        items=[ToolOut.of(asset) for asset in page.items],
        count=page.count,
        next=paging.closed(following) if following < page.count else None,
    )


@router.get("tools/{id}", response=ToolDetailOut, operation_id="get_tool", summary="One tool")
def get_tool(request: HttpRequest, id: str) -> ToolDetailOut:
    return ToolDetailOut.of(_tool(id))


@router.get(
    "tools/{id}/form",
    response=dict[str, Any],
    operation_id="get_tool_form",
    summary="What a deployment of this tool takes, as JSON Schema",
)
def get_tool_form(request: HttpRequest, id: str) -> dict[str, Any]:
    tool = _tool(id)
    return json_schema(DeployForm(owner=person(request), asset=tool, kind=kind_of(tool)))


def _tool(slug: str) -> Asset:
    return get_object_or_404(Asset.objects.listed(), slug=slug, kind=Kind.TOOL)
