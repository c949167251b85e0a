"""One machine of a datacenter: how it is, what of it is free, and who uses it as far as the reader may know.

Operators take it out and in there, and empty it.
"""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Capability
from accounts.services import NotPossible
from dashboard import nodes
from dashboard.node_forms import DrainForm
from dashboard.people import person
from dashboard.views.clusters import operators_only
from datacenters.models import Node
from datacenters.node_tests import asking
from datacenters.services import capacity_of
from jobs import drains

TESTS_SHOWN = 5


@login_required
@require_GET
def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _page(request, get_object_or_404(nodes.seen_by(person(request)), pk=pk), DrainForm())


@operators_only
@require_GET
def topology(request: HttpRequest) -> HttpResponse:
    return render(request, "nodes/topology.html", {"places": nodes.topology(person(request))})


@operators_only
@require_POST
def eligibility(request: HttpRequest, pk: UUID) -> HttpResponse:
    wanted = request.POST.get("eligible") == "true"
    done = _("It takes jobs again.") if wanted else _("It takes nothing new. What runs there goes on.")
    return _done(request, pk, lambda node: drains.set_eligible(node, wanted, person(request)), done)


@operators_only
@require_POST
def drain(request: HttpRequest, pk: UUID) -> HttpResponse:
    form = DrainForm(request.POST)
    if not form.is_valid():
        return _page(request, _load(request, pk), form)
    reason, lasts = form.cleaned_data["reason"], form.lasts
    done = _("It is being emptied. Those whose deployments run there read why.")
    return _done(request, pk, lambda node: drains.begin(node, lasts=lasts, reason=reason, actor=person(request)), done)


@operators_only
@require_POST
def stop_drain(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _done(request, pk, lambda node: drains.end(node, person(request)), _("It takes jobs again."))


@operators_only
@require_POST
def test(request: HttpRequest, pk: UUID) -> HttpResponse:
    asking.ask(_load(request, pk), person(request))
    messages.success(request, _("It will be tested now. The results come here, mostly within a minute."))
    return redirect("node", pk)


def _load(request: HttpRequest, pk: UUID) -> Node:
    return get_object_or_404(nodes.seen_by(person(request)), pk=pk)


def _done(request: HttpRequest, pk: UUID, act: Callable[[Node], object], words: str) -> HttpResponse:
    try:
        act(_load(request, pk))
    except NotPossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, words)
    return redirect("node", pk)


def _page(request: HttpRequest, node: Node, form: DrainForm) -> HttpResponse:
    user = person(request)
    context = {
        "node": node,
        "datacenter": node.datacenter,
        "capacity": capacity_of(node, node.datacenter),
        "tenants": nodes.tenants_of([node], user)[node.pk],
        "devices": nodes.devices_of(node),
        "operates": user.can(Capability.OPERATE),
        "form": form,
        "tests": node.tests.select_related("asked_by")[:TESTS_SHOWN],
    }
    return render(request, "nodes/detail.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("topology/", topology, name="topology"),
    path("nodes/<uuid:pk>/", detail, name="node"),
    path("nodes/<uuid:pk>/eligibility", eligibility, name="node-eligibility"),
    path("nodes/<uuid:pk>/tests", test, name="node-test"),
    path("nodes/<uuid:pk>/drain", drain, name="node-drain"),
    path("nodes/<uuid:pk>/stop-drain", stop_drain, name="node-stop-drain"),
]
