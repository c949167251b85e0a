"""The catalog: ``GET modules``, ``modules/{id}``, ``modules/{id}/form``."""

from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from pydantic import Field

from dashboard.api import paging
from dashboard.api.schemas import ModuleDetailOut, ModuleList, ModuleOut
from dashboard.form_schema import json_schema
from dashboard.forms import DeployForm
from dashboard.people import person
from jobs.models import DeploymentKind
from marketplace import search
from marketplace.models import Asset, Kind

router = Router(tags=["modules"])


@router.get("modules", response=ModuleList, operation_id="list_modules", summary="Find modules")
def list_modules(
    request: HttpRequest,
    q: Annotated[str, Field(description="Words to search for.")] = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> ModuleList:
    query = search.Query.from_params(request.GET).where("kind", Kind.MODULE)
    start = paging.opened_offset(cursor)
    page = search.find(query, offset=start, limit=limit)
    following = start + len(page.items)
    return ModuleList(
        items=[ModuleOut.of(asset) for asset in page.items],
        count=page.count,
        next=paging.closed(following) if following < page.count else None,
    )


@router.get("modules/{id}", response=ModuleDetailOut, operation_id="get_module", summary="One module")
def get_module(request: HttpRequest, id: str) -> ModuleDetailOut:
    asset = get_object_or_404(Asset.objects.listed(), slug=id, kind=Kind.MODULE)
    return ModuleDetailOut(**ModuleDetailOut.fields_of(asset))


@router.get(
    "modules/{id}/form",
    response=dict[str, Any],
    operation_id="get_module_form",
    summary="What a deployment of this module takes, as JSON Schema",
)
def get_module_form(request: HttpRequest, id: str, kind: DeploymentKind = DeploymentKind.SERVICE) -> dict[str, Any]:
    asset = get_object_or_404(Asset.objects.listed(), slug=id, kind=Kind.MODULE)
    return json_schema(DeployForm(owner=person(request), asset=asset, kind=kind))
