"""The figures behind the charts of a datacenter's page."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views.decorators.http import require_GET

from dashboard import statistics
from datacenters.models import Datacenter


@login_required
@require_GET
def figures(request: HttpRequest, name: str) -> JsonResponse:
    _words, hours = statistics.SPANS.get(request.GET.get("span", ""), statistics.SPANS["day"])
    found = statistics.series(get_object_or_404(Datacenter, name=name), hours)
    return JsonResponse({"times": [time.timestamp() for time in found.times], "lines": statistics.drawn(found)})


urlpatterns = [
    path("datacenters/<slug:name>/statistics.json", figures, name="datacenter-statistics"),
]
