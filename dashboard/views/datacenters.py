"""The datacenters as everyone may see them: what they have, what is free, how old the figures are, and where they are.

Operators also say there whose jobs a datacenter takes, and when it is closed.
"""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import Capability
from dashboard import datacenters, nodes, statistics
from dashboard.clusters import must_operate
from dashboard.datacenter_forms import DescriptionForm, MaintenanceForm
from dashboard.maps import map_of
from dashboard.people import person
from datacenters.models import Datacenter, Maintenance
from jobs.places import ONE_PERSON, places_for


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    user = person(request)
    places = places_for(user)
    operates = user.can(Capability.OPERATE)
    context = {"capacities": places, "map": map_of(places), "operates": operates, "one_person": ONE_PERSON}
    return render(request, "datacenters/index.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def detail(request: HttpRequest, name: str) -> HttpResponse:
    datacenter = get_object_or_404(Datacenter.objects.select_related("cluster"), name=name)
    if request.method == "POST":
        must_operate(person(request))
    form = DescriptionForm(request.POST if request.method == "POST" else None, instance=datacenter)
    if form.is_valid():
        datacenters.describe(form, person(request))
        messages.success(request, _("It holds for what is deployed from now on."))
        return redirect("datacenter", name)
    return _page(request, datacenter, form, MaintenanceForm())


@login_required
@require_POST
def announce(request: HttpRequest, name: str) -> HttpResponse:
    must_operate(person(request))
    datacenter = get_object_or_404(Datacenter, name=name)
    form = MaintenanceForm(request.POST)
    if form.is_valid():
        datacenters.announce(form, datacenter, person(request))
        messages.success(request, _("It is announced. Deploy forms say so from a day before."))
        return redirect("datacenter", name)
    return _page(request, datacenter, DescriptionForm(instance=datacenter), form)


@login_required
@require_POST
def call_off(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    must_operate(person(request))
    datacenters.call_off(get_object_or_404(Maintenance, datacenter__name=name, pk=pk), person(request))
    messages.success(request, _("It is called off."))
    return redirect("datacenter", name)


def _page(
    request: HttpRequest, datacenter: Datacenter, form: DescriptionForm, maintenance_form: MaintenanceForm
) -> HttpResponse:
    user = person(request)
    context = {
        "datacenter": datacenter,
        "place": next((place for place in places_for(user) if place.name == datacenter.name), None),
        "maintenances": datacenter.maintenances.filter(ends__gt=timezone.now()),
        "operates": user.can(Capability.OPERATE),
        "one_person": ONE_PERSON,
        "form": form,
        "maintenance_form": maintenance_form,
        "uses": nodes.use_by_project(datacenter, user),
        **_statistics(request, datacenter),
    }
    wrong = form.errors or maintenance_form.errors
    return render(request, "datacenters/detail.html", context, status=422 if wrong else 200)


def _statistics(request: HttpRequest, datacenter: Datacenter) -> dict[str, object]:
    span = request.GET.get("span", "")
    span = span if span in statistics.SPANS else "day"
    spans = [(name, words) for name, (words, _hours) in statistics.SPANS.items()]
    return {"span": span, "spans": spans, "summaries": statistics.summaries(datacenter, statistics.SPANS[span][1])}


urlpatterns = [
    path("datacenters/", index, name="datacenters"),
    path("datacenters/<slug:name>/", detail, name="datacenter"),
    path("datacenters/<slug:name>/maintenances", announce, name="announce-maintenance"),
    path("datacenters/<slug:name>/maintenances/<int:pk>/call-off", call_off, name="call-off-maintenance"),
]
