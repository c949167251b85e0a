"""Nodes: how each is, what of it is free, and who uses it as far as one may know; from our own rows."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Status
from pydantic import Field

from dashboard import nodes
from dashboard.api import paging, problems
from dashboard.api.auth import WRITE
from dashboard.api.node_schemas import (
    DrainIn,
    NodeChangeIn,
    NodeList,
    NodeOut,
    NodeTestList,
    NodeTestOut,
    WholeNodeOut,
)
from dashboard.clusters import must_operate
from dashboard.node_forms import DrainForm
from dashboard.people import person
from datacenters.models import Node
from datacenters.node_tests import asking
from jobs import drains

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


@router.patch(
    "nodes/{id}",
    auth=WRITE,
    response=WholeNodeOut,
    operation_id="change_node",
    summary="Whether it takes new jobs, for operators",
)
def change_node(request: HttpRequest, id: UUID, body: NodeChangeIn) -> WholeNodeOut:
    node = _load(request, id)
    drains.set_eligible(node, body.eligible, person(request))
    return WholeNodeOut.seen_by(node, person(request))


@router.post(
    "nodes/{id}/drain",
    auth=WRITE,
    response=WholeNodeOut,
    operation_id="drain_node",
    summary="Empty it, and say so to those whose deployments run there; for operators",
)
def drain_node(request: HttpRequest, id: UUID, body: DrainIn) -> HttpResponse | WholeNodeOut:
    node, form = _load(request, id), DrainForm(body.model_dump())
    if not form.is_valid():
        return problems.invalid_form(form)
    drains.begin(node, lasts=form.lasts, reason=form.cleaned_data["reason"], actor=person(request))
    return WholeNodeOut.seen_by(node, person(request))


@router.delete(
    "nodes/{id}/drain",
    auth=WRITE,
    response=WholeNodeOut,
    operation_id="end_drain",
    summary="Stop emptying it: it takes jobs again; for operators",
)
def end_drain(request: HttpRequest, id: UUID) -> WholeNodeOut:
    node = _load(request, id)
    drains.end(node, person(request))
    return WholeNodeOut.seen_by(node, person(request))


@router.get(
    "nodes/{id}/tests", response=NodeTestList, operation_id="list_node_tests", summary="Its tests, the newest first"
)
def list_node_tests(
    request: HttpRequest, id: UUID, limit: paging.Limit = paging.DEFAULT_LIMIT, cursor: paging.Cursor = None
) -> NodeTestList:
    node = get_object_or_404(nodes.seen_by(person(request)), pk=id)
    page, count, following = paging.by_offset(node.tests.all(), limit=limit, cursor=cursor)
    return NodeTestList(items=[NodeTestOut.of(row) for row in page], count=count, next=following)


@router.post(
    "nodes/{id}/tests",
    auth=WRITE,
    response={202: NodeTestOut},
    operation_id="test_node",
    summary="Have it tested now, for operators; repeatable",
)
def test_node(request: HttpRequest, id: UUID) -> Status[NodeTestOut]:
    return Status(202, NodeTestOut.of(asking.ask(_load(request, id), person(request))))


def _load(request: HttpRequest, id: UUID) -> Node:
    must_operate(person(request))
    return get_object_or_404(nodes.seen_by(person(request)), pk=id)
