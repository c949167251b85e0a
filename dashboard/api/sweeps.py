"""Sweeps: start one, look at it, stop it."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router

from dashboard.api import paging, problems
from dashboard.api.auth import WRITE
from dashboard.api.keys import idempotency_key
from dashboard.api.sweep_schemas import SweepDetailOut, SweepIn, SweepList, SweepOut
from dashboard.people import person
from dashboard.sweep_forms import SweepForm
from dashboard.sweep_table import table
from jobs import sweeps
from jobs.models import Sweep, SweepQuerySet

router = Router(tags=["sweeps"])


@router.post(
    "sweeps",
    auth=WRITE,
    response={201: SweepDetailOut},
    operation_id="create_sweep",
    summary="Train with each of several values, at most so many at once",
)
def create_sweep(request: HttpRequest, body: SweepIn) -> HttpResponse:
    owner = person(request)
    form = SweepForm.from_sweep(body.model_dump(), owner=owner)
    if not form.is_valid():
        return problems.invalid(form.problems())
    asked, key = form.deploy_request(), idempotency_key(request)
    sweep = sweeps.start_sweep(asked, form.variants, at_once=form.at_once, owner=owner, idempotency_key=key)
    response = _answer(sweep, 201)
    response["Location"] = f"/api/v1/sweeps/{sweep.pk}"
    return response


@router.get("sweeps", response=SweepList, operation_id="list_sweeps", summary="The sweeps I may see, newest first")
def list_sweeps(
    request: HttpRequest,
    project: str = "",
    module: str = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> SweepList:
    rows = _visible(request)
    rows = rows.filter(project__slug=project) if project else rows
    rows = rows.filter(asset_slug=module) if module else rows
    page, following = paging.newest_first(rows, limit=limit, cursor=cursor)
    return SweepList(items=[SweepOut.of(row) for row in page], count=rows.count(), next=following)


@router.get(
    "sweeps/{id}", response=SweepDetailOut, operation_id="get_sweep", summary="One sweep, with each of its trainings"
)
def get_sweep(request: HttpRequest, id: UUID) -> SweepDetailOut:
    return _detailed(_load(request, id))


@router.post(
    "sweeps/{id}/stop",
    auth=WRITE,
    response={202: SweepDetailOut},
    operation_id="stop_sweep",
    summary="Start no further training of it, and stop those that run",
)
def stop_sweep(request: HttpRequest, id: UUID) -> HttpResponse:
    return _answer(sweeps.stop_sweep(_load(request, id), person(request)), 202)


def _visible(request: HttpRequest) -> SweepQuerySet:
    return Sweep.objects.visible_to(person(request)).with_parts()


def _load(request: HttpRequest, pk: UUID) -> Sweep:
    return get_object_or_404(_visible(request), pk=pk)


def _detailed(sweep: Sweep) -> SweepDetailOut:
    return SweepDetailOut.detailed(sweep, table(sweep))


def _answer(sweep: Sweep, status: int) -> HttpResponse:
    body = _detailed(sweep).model_dump_json()
    return HttpResponse(body, status=status, content_type="application/json; charset=utf-8")
