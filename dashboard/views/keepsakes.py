"""What a tool's deployment keeps for people: the login of its own server, and snapshots to begin again with."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from dashboard.form_bodies import OPTION
from dashboard.people import person
from datacenters.storage import StorageProblem
from jobs import credentials, services, snapshots
from jobs.models import Deployment


@login_required
@never_cache
@require_POST
def show_credentials(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Answers with them instead of redirecting: so they are in this one answer and in no address or session."""
    deployment = _load(request, pk)
    if not credentials.has_some(deployment):
        raise Http404
    found = credentials.shown_to(person(request), deployment)
    return render(request, "keepsakes/credentials.html", {"deployment": deployment, "credentials": found})


@login_required
@require_GET
def list_snapshots(request: HttpRequest, pk: UUID) -> HttpResponse:
    deployment = _load(request, pk)
    option, problem, kept = snapshots.option_of(deployment), "", None
    if not option:
        raise Http404
    try:
        kept = snapshots.kept_by(deployment)
    except StorageProblem as why:
        problem = str(why)
    found = [(one, _begin_with(deployment, option, one.name)) for one in kept.snapshots] if kept else []
    why_not = services.why_not_change(deployment, person(request))
    context = {"deployment": deployment, "kept": kept, "found": found, "problem": problem, "why_not": why_not}
    return render(request, "keepsakes/snapshots.html", context)


def _begin_with(deployment: Deployment, option: str, name: str) -> str:
    """The deploy form with all that was asked for, and this snapshot."""
    asked = urlencode({"clone": deployment.pk, OPTION + option: name})
    return f"{reverse('deploy', args=[deployment.asset_slug])}?{asked}"


def _load(request: HttpRequest, pk: UUID) -> Deployment:
    return get_object_or_404(Deployment.objects.visible_to(person(request)).with_parts(), pk=pk)


urlpatterns = [
    path("deployments/<uuid:pk>/credentials/", show_credentials, name="deployment-credentials"),
    path("deployments/<uuid:pk>/snapshots/", list_snapshots, name="deployment-snapshots"),
]
