"""Nodes: how each is, what of it is free, and who uses it as far as one may know; from our own rows."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from pydantic import Field

from dashboard import nodes
from dashboard.api import paging
from dashboard.api.node_schemas import NodeList, NodeOut, WholeNodeOut
from dashboard.people import person

router = Router(tags=["nodes"])


@router.get("nodes", response=NodeList, operation_id="list_nodes", summary="All nodes, or those of one datacenter")
def list_nodes(
    request: HttpRequest,
    q: Annotated[str, Field(description="Part of a name.")] = "",
    datacenter: Annotated[str, Field(description="Name of a datacenter.")] = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> NodeList:
    rows = nodes.seen_by(person(request)).filter(name__icontains=q).defer("held", "meta")
    rows = rows.filter(datacenter__name=datacenter) if datacenter else rows
    page, count, following = paging.by_offset(rows, limit=limit, cursor=cursor)
    return NodeList(items=[NodeOut.of(row) for row in page], count=count, next=following)


@router.get("nodes/{id}", response=WholeNodeOut, operation_id="get_node", summary="One node, and who uses it")
def get_node(request: HttpRequest, id: UUID) -> WholeNodeOut:
    reader = person(request)
    return WholeNodeOut.seen_by(get_object_or_404(nodes.seen_by(reader), pk=id), reader)
