"""The datacenters as everyone may see them: what they have, what is free, how old the figures are."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from accounts.models import Capability
from dashboard.people import person
from datacenters.services import capacities


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    operates = person(request).can(Capability.OPERATE)
    return render(request, "datacenters/index.html", {"capacities": capacities(), "operates": operates})


urlpatterns = [path("datacenters/", index, name="datacenters")]
