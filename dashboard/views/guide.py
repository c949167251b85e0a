"""The documentation, open to everybody: nothing in it is anybody's own."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from dashboard import guide


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "guide/index.html", {"sections": guide.sections()})


@require_GET
def page(request: HttpRequest, name: str) -> HttpResponse:
    found = guide.pages().get(name)
    if found is None:
        raise Http404
    return render(request, "guide/page.html", {"page": found, "shown": guide.show(found), "sections": guide.sections()})


urlpatterns = [
    path("docs/", index, name="docs"),
    path("docs/<path:name>/", page, name="docs-page"),
]
