"""One machine of a datacenter: how it is, what of it is free, and who uses it as far as the reader may know."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_GET

from accounts.models import Capability
from dashboard import nodes
from dashboard.people import person
from datacenters.models import Node
from datacenters.services import capacity_of


@login_required
@require_GET
def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _page(request, get_object_or_404(nodes.seen_by(person(request)), pk=pk))


def _page(request: HttpRequest, node: Node, *, status: int = 200) -> HttpResponse:
    user = person(request)
    context = {
        "node": node,
        "datacenter": node.datacenter,
        "capacity": capacity_of(node, node.datacenter),
        "tenants": nodes.tenants_of([node], user)[node.pk],
        "devices": nodes.devices_of(node),
        "operates": user.can(Capability.OPERATE),
    }
    return render(request, "nodes/detail.html", context, status=status)


urlpatterns = [
    path("nodes/<uuid:pk>/", detail, name="node"),
]
