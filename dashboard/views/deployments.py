"""Deployments: the list, one deployment, and what can be done with it. Its form is in ``deploying``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project, User
from dashboard import addresses, attachments, federation, lifetimes, scope, snippets, streams, training
from dashboard.people import person
from dashboard.stages import stages_of
from jobs import archive, credentials, refusals, services, snapshots, tools
from jobs.compilers import CannotCompile
from jobs.models import UNDO_LASTS, Deployment, DeploymentKind, DeploymentQuerySet, Status
from jobs.specs import job_json
from jobs.tools import port_of
from marketplace.models import Kind

PAGE_SIZE = 50
USAGE_POINTS = 600
METRICS_FRESH_SECONDS = 2  # shared by all who look


@dataclass(frozen=True)
class LogEntry:
    task: str
    stream: str
    size_bytes: int


# ── Look ─────────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """My deployments, newest first; filters in the URL. The same view answers the live fragment."""
    user = person(request)
    rows = _visible(request).in_lists().search(request.GET.get("q", ""))
    chosen = [status for status in request.GET.getlist("status") if status in Status.values]
    rows = rows.filter(status__in=chosen) if chosen else rows
    project = _project_asked(request)
    rows = rows.filter(project__slug=project) if project else rows.in_project(None)
    page = Paginator(rows.order_by("-created"), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "statuses": Status.choices,
        "chosen": chosen,
        "projects": Project.objects.of(user),
        "project": project,
        "filtered": bool(chosen or project or request.GET.get("q")),
        "undoable": _undoable(request).changeable_by(user),
    }
    template = "deployments/_list.html" if request.headers.get("HX-Request") else "deployments/index.html"
    return render(request, template, context)


def _project_asked(request: HttpRequest) -> str:
    """The one in the URL, also if that says "all" by an empty one; else the one of the header."""
    if "project" in request.GET:
        return request.GET["project"]
    chosen = scope.chosen_project(request, person(request))
    return chosen.slug if chosen else ""


@login_required
@require_GET
def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    deployment = _load(request, pk)
    context = (
        _status_context(request, deployment)
        | _outcome_context(deployment)
        | {
            "events": _events(deployment),
            "tracked": _is_tracked(deployment) and bool(settings.MLFLOW_URL),
            "has_credentials": credentials.has_some(deployment),
            "has_snapshots": bool(snapshots.option_of(deployment)),
        }
        | federation.page_parts(deployment)
    )
    return render(request, "deployments/detail.html", context)


@login_required
@require_GET
def status_fragment(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "deployments/_status.html", _status_context(request, _load(request, pk)))


@login_required
@require_GET
def timeline_fragment(request: HttpRequest, pk: UUID) -> HttpResponse:
    deployment = _load(request, pk)
    return render(request, "deployments/_timeline.html", {"deployment": deployment, "events": _events(deployment)})


@login_required
@require_GET
def outcome_fragment(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "deployments/_outcome.html", _outcome_context(_load(request, pk)))


def _outcome_context(deployment: Deployment) -> dict[str, Any]:
    return {
        "deployment": deployment,
        "logs": _logs(deployment),
        "result_text": snippets.pretty(deployment.result) if deployment.result is not None else "",
        "outcome": training.outcome_of(deployment),
    }


def _status_context(request: HttpRequest, deployment: Deployment) -> dict[str, Any]:
    endpoints = [
        {
            "label": endpoint["label"],
            "healthy": bool(endpoint.get("healthy")) and deployment.status == Status.RUNNING,
            "door": addresses.door(deployment, endpoint["label"]),
            "bearer_url": addresses.bearer_url(deployment, endpoint["label"]),
            "for_clients": bool((port := port_of(deployment, endpoint["label"])) and port.open),
        }
        for endpoint in deployment.endpoints
    ]
    why_not = services.why_not_change(deployment, person(request))
    return {
        "deployment": deployment,
        "why_not": why_not,
        "stages": stages_of(deployment),
        "attachments": attachments.storages_of(deployment),
        "openable": attachments.openable(deployment, person(request)),
        "lifetime": lifetimes.lifetime_of(deployment),
        "endpoints": endpoints,
        "run_url": "" if why_not else addresses.known_run_url(deployment),  # MLflow is an endpoint
    }


def _events(deployment: Deployment) -> Any:
    return deployment.events.select_related("actor").order_by("-pk")[:200]


# ── Logs, use of resources, spec ─────────────────────────────────────────────────────────────────
@login_required
@require_GET
def log(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The log viewer; without JavaScript it shows the last lines as they are now."""
    deployment = _load(request, pk)
    logs = _logs(deployment)
    task, stream = _task_and_stream(request)
    text = archive.read(deployment, task, stream, tail=2_000).decode(errors="replace")
    context = {"deployment": deployment, "logs": logs, "task": task, "stream": stream, "text": text}
    return render(request, "deployments/log.html", context)


@login_required
@require_GET
def log_text(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The whole log as a file."""
    deployment = _load(request, pk)
    task, stream = _task_and_stream(request)
    response = HttpResponse(archive.read(deployment, task, stream), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{deployment.pk}-{task}.{stream}.txt"'
    response["Content-Security-Policy"] = "sandbox"
    return response


@login_required
@require_GET
def log_stream(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    deployment = _load(request, pk)
    task, stream = _task_and_stream(request)
    text = archive.follow(deployment, task, stream, tail=2_000)
    response = StreamingHttpResponse(
        streams.while_allowed(text, request, streams.sees(pk)), content_type="text/plain; charset=utf-8"
    )
    response["Cache-Control"], response["X-Accel-Buffering"] = "no-store", "no"
    return response


def _logs(deployment: Deployment) -> list[LogEntry]:
    entries = (
        LogEntry(task, stream, archive.size(deployment, task, stream))
        for task in archive.tasks(deployment)
        for stream in archive.STREAMS
    )
    return [entry for entry in entries if entry.size_bytes]


def _task_and_stream(request: HttpRequest) -> tuple[str, str]:
    task, stream = request.GET.get("task", "main"), request.GET.get("stream", archive.STREAMS[0])
    if not archive.is_named(task, stream):
        raise Http404
    return task, stream


@login_required
@require_GET
def usage(request: HttpRequest, pk: UUID) -> JsonResponse:
    """What it used over time, as uPlot takes it: times (s), cores, megabytes."""
    samples = list(
        _load(request, pk).usage.order_by("-at").values_list("at", "cpu_cores", "memory_bytes")[:USAGE_POINTS]
    )[::-1]
    return JsonResponse(
        {
            "times": [round(at.timestamp()) for at, _cores, _bytes in samples],
            "cpu_cores": [round(cores, 3) for _at, cores, _bytes in samples],
            "memory_mb": [round(size / 1_000_000, 1) for _at, _cores, size in samples],
        }
    )


@login_required
@require_GET
def metrics(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The runs that this training logged, and how each metric went; MLflow down is a sentence, not an error."""
    deployment = _load(request, pk)
    found = cache.get_or_set(f"metrics-{pk}", lambda: training.metrics_of(deployment), METRICS_FRESH_SECONDS) or {}
    if services.why_not_change(deployment, person(request)):
        found = {**found, "runs": [{**run, "url": ""} for run in found["runs"]]}
    return JsonResponse(found)


@login_required
@require_GET
def spec(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The job as Nomad is told it; secrets are not in it."""
    deployment = _load(request, pk)
    shown, problem = [(_("Request"), snippets.pretty(deployment.request))], ""
    try:
        shown.insert(0, ("Nomad JSON", snippets.pretty(job_json(deployment))))
    except CannotCompile as error:
        problem = str(error)
    context = {"deployment": deployment, "snippets": shown, "problem": problem}
    return render(request, "deployments/spec.html", context)


# ── Live ─────────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
def stream(request: HttpRequest, pk: UUID | None = None) -> StreamingHttpResponse:
    """News of all deployments that this person may see, or of one."""
    projects = streams.projects_of(person(request))
    if pk is not None:
        _load(request, pk)
    news = streams.changes(projects, only=pk)
    return streams.event_stream(streams.while_allowed(news, request, streams.is_in(projects)))


# ── Act ──────────────────────────────────────────────────────────────────────────────────────────
def _action(
    act: Callable[[Deployment, User], object], said: Promise
) -> Callable[[HttpRequest, UUID], HttpResponseBase]:
    @login_required
    @require_POST
    def view(request: HttpRequest, pk: UUID) -> HttpResponse:
        deployment = _load(request, pk)
        try:
            act(deployment, person(request))
        except (refusals.QuotaExceeded, refusals.NotPossibleNow) as obstacle:
            messages.error(request, str(obstacle))
        else:
            messages.success(request, str(said) % {"title": deployment.title})
        return redirect("deployment", pk)

    return view


stop = _action(services.stop, gettext_lazy("“%(title)s” stops. Its log and history stay."))
start = _action(services.start, gettext_lazy("“%(title)s” starts again."))
restart = _action(services.restart, gettext_lazy("“%(title)s” restarts."))


@login_required
@require_POST
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    services.delete(_load(request, pk), person(request))
    return redirect("deployments")


@login_required
@require_POST
def restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    deployment = get_object_or_404(_undoable(request), pk=pk)
    services.restore(deployment, person(request))
    messages.success(request, _("“%(title)s” is back.") % {"title": deployment.title})
    return redirect("deployment", pk)


@login_required
@require_GET
def clone(request: HttpRequest, pk: UUID) -> HttpResponse:
    deployment = _load(request, pk)
    name = "train" if _trains(deployment) else "deploy"
    return redirect(f"{reverse(name, args=[deployment.asset_slug])}?clone={pk}")


def _trains(deployment: Deployment) -> bool:
    """A module's batch run; a tool's is no training."""
    return deployment.kind == DeploymentKind.BATCH and deployment.asset_kind == Kind.MODULE


def _is_tracked(deployment: Deployment) -> bool:
    tool = tools.tool_of(deployment.asset)
    return _trains(deployment) or bool(tool and tool.tracking and deployment.kind == DeploymentKind.BATCH)


def _visible(request: HttpRequest) -> DeploymentQuerySet:
    return Deployment.objects.visible_to(person(request)).with_parts()


def _undoable(request: HttpRequest) -> DeploymentQuerySet:
    recent = timezone.now() - UNDO_LASTS
    return Deployment.objects.within_reach(person(request)).with_parts().filter(deleted__gt=recent)


def _load(request: HttpRequest, pk: UUID) -> Deployment:
    return get_object_or_404(_visible(request), pk=pk)


urlpatterns = [
    path("deployments/", index, name="deployments"),
    path("deployments/stream/", stream, name="deployments-stream"),
    path("deployments/<uuid:pk>/", detail, name="deployment"),
    path("deployments/<uuid:pk>/status/", status_fragment, name="deployment-status"),
    path("deployments/<uuid:pk>/timeline/", timeline_fragment, name="deployment-timeline"),
    path("deployments/<uuid:pk>/outcome/", outcome_fragment, name="deployment-outcome"),
    path("deployments/<uuid:pk>/stream/", stream, name="deployment-stream"),
    path("deployments/<uuid:pk>/log/", log, name="deployment-log"),
    path("deployments/<uuid:pk>/log.txt", log_text, name="deployment-log-text"),
    path("deployments/<uuid:pk>/log/stream/", log_stream, name="deployment-log-stream"),
    path("deployments/<uuid:pk>/usage.json", usage, name="deployment-usage"),
    path("deployments/<uuid:pk>/metrics.json", metrics, name="deployment-metrics"),
    path("deployments/<uuid:pk>/spec/", spec, name="deployment-spec"),
    path("deployments/<uuid:pk>/stop/", stop, name="deployment-stop"),
    path("deployments/<uuid:pk>/start/", start, name="deployment-start"),
    path("deployments/<uuid:pk>/restart/", restart, name="deployment-restart"),
    path("deployments/<uuid:pk>/delete/", delete, name="deployment-delete"),
    path("deployments/<uuid:pk>/restore/", restore, name="deployment-restore"),
    path("deployments/<uuid:pk>/clone/", clone, name="deployment-clone"),
]
