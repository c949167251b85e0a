"""Runs: find, look at, compare; their metrics and files."""

from typing import Annotated, Literal

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import Field

from accounts.models import Project
from dashboard.api import paging, problems
from dashboard.api.run_schemas import (
    ComparisonOut,
    CourseOut,
    RunDetailOut,
    RunFileList,
    RunFileOut,
    RunList,
    RunMetricsOut,
    RunOut,
)
from dashboard.people import person
from dashboard.runs import files
from dashboard.runs.comparing import AT_LEAST, AT_MOST, metric_names
from dashboard.runs.listing import Row, listing, rows_of, wanted_by
from jobs import tracking
from jobs.tracking import TrackingRefused, TrackingUnavailable
from jobs.tracking.files import file_at, files_of

router = Router(tags=["runs"])

StatusWord = Literal["running", "scheduled", "finished", "failed", "stopped"]
Path = Annotated[str, Field(max_length=1_000, description="Below the run's own folder.")]


@router.get("runs", response=RunList, operation_id="list_runs", summary="Trainings tracked in MLflow, newest first")
def list_runs(
    request: HttpRequest,
    q: Annotated[str, Field(description="Words in a name, in parameters (name=value), module or data.")] = "",
    filter: Annotated[str, Field(description="A filter in MLflow's own language.")] = "",
    project: str = "",
    module: str = "",
    deployment: str = "",
    sweep: str = "",
    status: StatusWord | None = None,
    sort: Annotated[str, Field(description="started, name, metrics.loss, params.epochs; with - the other way.")] = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> RunList | HttpResponse:
    user = person(request)
    projects = Project.objects.of(user)
    start = paging.opened_offset(cursor)
    found = listing(
        user,
        projects.filter(slug=project) if project else projects,
        wanted_by(request.GET.dict()),
        limit=limit,
        offset=start,
    )
    if found.wrong_filter:
        return problems.invalid([("#/filter", found.wrong_filter)])
    following = paging.closed(start + limit) if found.more else None
    items = [RunOut.of(row) for row in found.rows]
    return RunList(items=items, count=len(items), next=following, problem=found.problem or None)


@router.get(
    "runs/compare",
    response=ComparisonOut,
    operation_id="compare_runs",
    summary="Some runs beside each other: what differs",
)
def compare_runs(
    request: HttpRequest,
    ids: Query[list[str]],
    show: Literal["differences", "all"] = "differences",
) -> ComparisonOut | HttpResponse:
    wanted = list(dict.fromkeys(one for text in ids for one in text.split(",") if one))
    if not AT_LEAST <= len(wanted) <= AT_MOST:
        said = _("Name %(least)d to %(most)d runs: ids=a,b") % {"least": AT_LEAST, "most": AT_MOST}
        return problems.invalid([("#/ids", said)])
    user = person(request)
    rows, problem = rows_of(user, Project.objects.of(user), wanted)
    if len(rows) < len(wanted):
        raise Http404
    return ComparisonOut.of(rows, problem, every=show == "all")


@router.get("runs/{id}", response=RunDetailOut, operation_id="get_run", summary="One run")
def get_run(request: HttpRequest, id: str) -> RunDetailOut:
    row, problem = _load(request, id)
    return RunDetailOut(**RunOut.of(row).model_dump(), problem=problem or None)


@router.get(
    "runs/{id}/metrics",
    response=RunMetricsOut,
    operation_id="get_run_metrics",
    summary="How its metrics went, step by step",
)
def get_run_metrics(
    request: HttpRequest,
    id: str,
    name: Annotated[str, Field(description="Only this metric.")] = "",
) -> RunMetricsOut | HttpResponse:
    """Of a longer history MLflow picks some hundred steps, evenly."""
    row, problem = _load(request, id)
    if problem:
        return _away(problem)
    names = [one for one in metric_names([row.run]) if name in ("", one)]
    try:
        found = tracking.courses([row.item], names)
    except (TrackingUnavailable, TrackingRefused) as obstacle:
        return _away(str(obstacle))
    metrics = {one: CourseOut.of(courses[0]) for one, courses in found.items() if courses}
    return RunMetricsOut(id=row.run.id, status=row.status, metrics=metrics)


@router.get("runs/{id}/files", response=RunFileList, operation_id="list_run_files", summary="The files that it kept")
def list_run_files(request: HttpRequest, id: str, path: Path = "") -> RunFileList | HttpResponse:
    row, problem = _load(request, id)
    if problem:
        return _away(problem)
    try:
        found = files_of(row.project, row.run.id, path.strip("/"))
    except (TrackingUnavailable, TrackingRefused) as obstacle:
        return _away(str(obstacle))
    return RunFileList(items=[RunFileOut.of(file) for file in found])


@router.get("runs/{id}/files/content", operation_id="get_run_file", summary="One of its files, as it is")
def get_run_file(request: HttpRequest, id: str, path: Path) -> HttpResponseBase:
    row, problem = _load(request, id)
    if problem:
        return _away(problem)
    try:
        found = file_at(row.project, row.run.id, path)
    except (TrackingUnavailable, TrackingRefused) as obstacle:
        return _away(str(obstacle))
    if found is None:
        raise Http404
    return files.download(row.item, found)


def _load(request: HttpRequest, run_id: str) -> tuple[Row, str]:
    user = person(request)
    rows, problem = rows_of(user, Project.objects.of(user), [run_id])
    if not rows:
        raise Http404
    return rows[0], problem


def _away(why: str) -> HttpResponse:
    return problems.problem(503, "tracking-unavailable", _("MLflow does not answer now."), why, Retry_After="30")
