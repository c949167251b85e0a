"""Runs: the list, one run with its charts and files, and several beside each other."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.models import WORKING, Project, User
from dashboard import addresses, scope
from dashboard.people import person
from dashboard.runs import charts, files, looks
from dashboard.runs.comparing import AT_LEAST, AT_MOST, compare, labels_of, number
from dashboard.runs.listing import Listing, Row, columns_of, heading, listing, rows_of, uuid_of, wanted_by
from jobs.models import Deployment, Sweep
from jobs.tracking import TrackingRefused, TrackingUnavailable, Wanted
from jobs.tracking.files import file_at, files_of

PAGE_SIZE = 50
FURTHEST_PAGE = 100
CHARTS_FRESH_SECONDS = 2  # shared by all who look


# ── The list ─────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Newest first; filters, order and page in the URL."""
    user = person(request)
    wanted = wanted_by(request.GET.dict())
    projects = _projects(user, _project_asked(request))
    number_of_page = _page(request)
    found = listing(user, projects, wanted, limit=PAGE_SIZE, offset=(number_of_page - 1) * PAGE_SIZE)
    context = {
        "found": found,
        "wanted": wanted,
        "projects": Project.objects.of(user),
        "project": _project_asked(request),
        "statuses": looks.LOOKS,
        "status": request.GET.get("status", ""),
        "subject": _subject(user, wanted),
        "page": number_of_page,
        "at_most": AT_MOST,
        **_table(request, found, wanted),
    }
    return render(request, "runs/index.html", context, status=422 if found.wrong_filter else 200)


def _table(request: HttpRequest, found: Listing, wanted: Wanted) -> dict[str, Any]:
    every = request.GET.get("columns") == "all"
    columns = columns_of([row.run for row in found.rows], wanted.order, every=every)
    names = [*(f"params.{name}" for name in columns.parameters), *(f"metrics.{name}" for name in columns.metrics)]
    return {
        "columns": columns,
        "every": every,
        "name_heading": heading("name", wanted.order, _("Run")),
        "started_heading": heading("started", wanted.order, _("Started")),
        "headings": [heading(name, wanted.order, name.partition(".")[2]) for name in names],
        "lines": [(row, _cells(row, columns)) for row in found.rows],
    }


def _cells(row: Row, columns: Any) -> list[tuple[str, bool]]:
    """(text, whether it is a number)"""
    parameters = [(row.run.params.get(name, ""), False) for name in columns.parameters]
    metrics = [(number(row.run.metrics[name]) if name in row.run.metrics else "", True) for name in columns.metrics]
    return parameters + metrics


def _page(request: HttpRequest) -> int:
    asked = request.GET.get("page", "")
    return min(max(int(asked), 1), FURTHEST_PAGE) if asked.isascii() and asked.isdigit() else 1


def _project_asked(request: HttpRequest) -> str:
    """The one in the URL, also if that says "all" by an empty one; else the one of the header."""
    if "project" in request.GET:
        return request.GET["project"]
    chosen = scope.chosen_project(request, person(request))
    return chosen.slug if chosen else ""


def _projects(user: User, slug: str = "") -> list[Project]:
    projects = Project.objects.of(user)
    return list(projects.filter(slug=slug) if slug else projects)


def _subject(user: User, wanted: Wanted) -> dict[str, Any]:
    """The deployment or sweep that a list is narrowed to, to be named and led back to."""
    pk = uuid_of(wanted.deployment)
    deployment = Deployment.objects.visible_to(user).filter(pk=pk).first() if pk else None
    return {"deployment": deployment, "sweep": _sweep(user, wanted.sweep)}


def _sweep(user: User, sweep_id: str) -> Sweep | None:
    pk = uuid_of(sweep_id)
    return Sweep.objects.filter(pk=pk, project__in=Project.objects.of(user)).first() if pk else None


# ── One run ──────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
def detail(request: HttpRequest, run_id: str) -> HttpResponse:
    row, problem = _load(request, run_id)
    folder = request.GET.get("folder", "").strip("/")
    context = {
        "row": row,
        "run": row.run,
        "problem": problem,
        "parameters": sorted(row.run.params.items()),
        "metrics": [(name, number(value)) for name, value in sorted(row.run.metrics.items())],
        "sweep": _sweep(person(request), row.sweep),
        "folder": folder,
        "crumbs": _crumbs(folder),
        "mlflow_url": "" if problem else _mlflow_url(person(request), row),
        **_files(row, folder, problem),
    }
    return render(request, "runs/detail.html", context)


@login_required
@require_GET
def courses(request: HttpRequest, run_id: str) -> JsonResponse:
    """How its metrics went, as its page's charts take it."""
    return _courses(request, [run_id])


@login_required
@require_GET
def file(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """One of its files: shown as far as that is safe, or with ``?download`` the whole of it."""
    row, problem = _load(request, run_id)
    try:
        found = file_at(row.project, row.run.id, request.GET.get("path", "")) if not problem else None
        if found is None:
            raise Http404
        if "download" in request.GET:
            return files.download(row.item, found)
        shown = files.preview(row.item, found)
    except (TrackingUnavailable, TrackingRefused) as obstacle:
        return render(request, "runs/file.html", {"row": row, "problem": str(obstacle)}, status=503)
    context = {"row": row, "preview": shown, "file": found, "folder": found.path.rpartition("/")[0]}
    return render(request, "runs/file.html", context)


def _load(request: HttpRequest, run_id: str) -> tuple[Row, str]:
    """The run, if it is there and one of this person's projects'; and why it is not told by MLflow, if so."""
    user = person(request)
    rows, problem = rows_of(user, _projects(user), [run_id])
    if not rows:
        raise Http404
    return rows[0], problem


def _files(row: Row, folder: str, problem: str) -> dict[str, Any]:
    if problem:
        return {"files": [], "files_problem": problem}
    try:
        return {"files": files_of(row.project, row.run.id, folder), "files_problem": ""}
    except (TrackingUnavailable, TrackingRefused) as obstacle:
        return {"files": [], "files_problem": str(obstacle)}


def _crumbs(folder: str) -> list[tuple[str, str]]:
    """(name, path) of each folder on the way to this one."""
    steps = [step for step in folder.split("/") if step]
    return [(name, "/".join(steps[: place + 1])) for place, name in enumerate(steps)]


def _mlflow_url(user: User, row: Row) -> str:
    """MLflow shows a project as an endpoint of any of its deployments, to whoever works there."""
    if row.project.role_of(user) not in WORKING:
        return ""
    door = row.deployment or Deployment.objects.visible_to(user).filter(project=row.project).first()
    return addresses.run_url(door, row.run.experiment_id, row.run.id) if door else ""


# ── Several ──────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
def comparison(request: HttpRequest) -> HttpResponse:
    """Differences only, unless all is asked for; the address holds the choice and can be shared."""
    user, ids = person(request), _ids(request)
    rows, problem = rows_of(user, _projects(user), ids[:AT_MOST]) if ids else ([], "")
    every = request.GET.get("show") == "all"
    whole = compare(rows)
    context = {
        "rows": rows,
        "labels": list(zip(rows, labels_of(rows, whole.differing), strict=True)),
        "ids": [row.run.id for row in rows],
        "shown": whole if every else whole.differing,
        "alike": len(whole.lines) - len(whole.differing.lines),
        "every": every,
        "problem": problem,
        "missing": len(ids[:AT_MOST]) - len(rows),
        "too_many": len(ids) > AT_MOST,
        "enough": len(rows) >= AT_LEAST,
        "at_most": AT_MOST,
        "sweep": _sweep(user, request.GET.get("sweep", "")),
    }
    return render(request, "runs/compare.html", context)


@login_required
@require_GET
def comparison_courses(request: HttpRequest) -> JsonResponse:
    return _courses(request, _ids(request)[:AT_MOST])


def _ids(request: HttpRequest) -> list[str]:
    """``?ids=a&ids=b`` as a form sends them, ``?ids=a,b`` as people write them; ``?sweep=…`` are all runs of it."""
    named = (one for text in request.GET.getlist("ids") for one in text.split(",") if one)
    return list(dict.fromkeys(named)) or _ids_of_sweep(_sweep(person(request), request.GET.get("sweep", "")))


def _ids_of_sweep(sweep: Sweep | None) -> list[str]:
    tracked = sweep.deployments.exclude(run_id="").order_by("sweep_place") if sweep else Deployment.objects.none()
    return list(tracked.values_list("run_id", flat=True))


def _courses(request: HttpRequest, ids: list[str]) -> JsonResponse:
    user = person(request)
    rows, problem = rows_of(user, _projects(user), ids)
    if not rows:
        raise Http404
    if problem:
        return JsonResponse({"problem": problem, "running": True, "left_out": 0, "series": []})
    items = [row.item for row in rows]
    key = "courses-" + "-".join(item.run.id for item in items)
    return JsonResponse(cache.get_or_set(key, lambda: charts.courses_of(items), CHARTS_FRESH_SECONDS))


urlpatterns = [
    path("runs/", index, name="runs"),
    path("runs/compare/", comparison, name="runs-compare"),
    path("runs/compare/metrics/", comparison_courses, name="runs-compare-metrics"),
    path("runs/<slug:run_id>/", detail, name="run"),
    path("runs/<slug:run_id>/metrics/", courses, name="run-metrics"),
    path("runs/<slug:run_id>/file/", file, name="run-file"),
]
