"""The datacenters as everyone may see them: what they have, what is free, how old the figures are."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from accounts.models import Capability
from dashboard.people import person
from jobs.places import ONE_PERSON, places_for


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    operates = person(request).can(Capability.OPERATE)
    context = {"capacities": places_for(person(request)), "operates": operates, "one_person": ONE_PERSON}
    return render(request, "datacenters/index.html", context)


urlpatterns = [path("datacenters/", index, name="datacenters")]
