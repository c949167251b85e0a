"""Sweeps: the list, one sweep with its trainings as they go, and stopping it."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard import context, scope, sweep_table
from dashboard.people import person
from jobs import services, sweeps
from jobs.models import Sweep, SweepQuerySet

PAGE_SIZE = 50


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The sweeps of my projects, newest first; of one project where the header names one."""
    chosen = scope.chosen_project(request, person(request))
    rows = _visible(request).filter(project=chosen) if chosen else _visible(request).filter(project__archived=None)
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    shown = {"page": page, "lines": [(sweep, sweep_table.progress(sweep)) for sweep in page.object_list]}
    template = "sweeps/_list.html" if request.headers.get("HX-Request") else "sweeps/index.html"
    return render(request, template, shown)


@login_required
@require_GET
def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One sweep; the same view answers the part of the page that changes."""
    sweep = get_object_or_404(_visible(request), pk=pk)
    shown = {
        "sweep": sweep,
        "runs_url": context.address("runs"),
        "why_not": services.why_not_change(sweep, person(request)),
        "progress": sweep_table.progress(sweep),
        "table": sweep_table.table(sweep, request.GET.get("sort", "")),
    }
    template = "sweeps/_state.html" if request.headers.get("HX-Request") else "sweeps/detail.html"
    return render(request, template, shown)


@login_required
@require_POST
def stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    sweep = sweeps.stop_sweep(get_object_or_404(_visible(request), pk=pk), person(request))
    messages.success(request, _("“%(title)s” stops. What its trainings logged stays.") % {"title": sweep.title})
    return redirect("sweep", pk)


def _visible(request: HttpRequest) -> SweepQuerySet:
    return Sweep.objects.visible_to(person(request)).with_parts()


urlpatterns = [
    path("sweeps/", index, name="sweeps"),
    path("sweeps/<uuid:pk>/", detail, name="sweep"),
    path("sweeps/<uuid:pk>/stop/", stop, name="sweep-stop"),
]
