"""The way to an endpoint's own host: hands a signed-in person over with a single-use code."""

import re
from uuid import UUID

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from dashboard.gateway.doors import enter_url, own_path
from dashboard.gateway.headers import scheme
from dashboard.gateway.places import LABEL_TEXT, Place
from dashboard.models import EndpointPass
from dashboard.people import person
from jobs.models import Deployment


@login_required
@require_GET
@never_cache
@csp_update({"form-action": [f"{scheme()}://*.{settings.SERAI_APPS_HOST}"]})  # type: ignore[arg-type]
def open_endpoint(request: HttpRequest, pk: UUID, label: str) -> HttpResponse:
    """A form that posts itself: the code stands in no address, so that no log and no Referer holds it."""
    user = person(request)
    deployment = get_object_or_404(Deployment.objects.visible_to(user), pk=pk)
    if not re.fullmatch(LABEL_TEXT, label):
        raise Http404
    context = {
        "heading": _("Open %(label)s of “%(title)s”") % {"label": label, "title": deployment.title},
        "enter_url": enter_url(Place(deployment.pk, label)),
        "code": EndpointPass.code(user, request.session.session_key or "", deployment, label),
        "next": own_path(request.GET.get("next", "/")),
    }
    response = render(request, "gateway/open.html", context)
    # The endpoint's host learns where the form comes from, and no path.
    response["Referrer-Policy"] = "origin"
    return response


urlpatterns = [path("deployments/<uuid:pk>/open/<str:label>", open_endpoint, name="open-endpoint")]
