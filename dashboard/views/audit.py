"""Who did what on the whole platform, for its administrators."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from accounts.models import AuditEvent
from dashboard import audit
from dashboard.people import person
from dashboard.views.people import administrators_only

PAGE_SIZE = 50


@administrators_only
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    wanted = {name: request.GET.get(name, "").strip() for name in ("actor", "project", "thing")}
    rows = AuditEvent.objects.narrowed(**wanted).select_related("actor", "project").order_by("-at", "-pk")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "lines": audit.lines(list(page), person(request)),
        "wanted": wanted,
        "filtered": any(wanted.values()),
    }
    return render(request, "audit/index.html", context)


urlpatterns = [path("audit/", index, name="audit")]
