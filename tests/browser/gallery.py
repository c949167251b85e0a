"""Pages that only tests open: every component at once, and a page with live fragments."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template import RequestContext, Template
from django.urls import include, path
from django.utils import timezone

from jobs.models import Deployment, Status

HERE = Path(__file__).parent
TOLD: list[str] = []  # the changes that the stream told of


class TentForm(forms.Form):
    name = forms.CharField(help_text="As others see it.")
    size = forms.IntegerField(min_value=1)
    side = forms.ChoiceField(choices=[("n", "north"), ("s", "south")])
    sharing = forms.MultipleChoiceField(choices=[("a", "water"), ("b", "fire")], widget=forms.CheckboxSelectMultiple)
    gate = forms.ChoiceField(choices=[("o", "open"), ("c", "closed")], widget=forms.RadioSelect)
    fire = forms.BooleanField(required=False, help_text="Lit at dusk.")
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    file = forms.FileField(required=False)


def gallery(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    messages.success(request, "Saved.")
    messages.error(request, "Not saved.")
    context = {
        "now": now,
        "values": [1, 4, 2, 8, 5],
        "deployments": [*[Deployment(status=status) for status in Status], Deployment(status="running", healthy=False)],
        "form": TentForm({"size": "0", "side": "n"}),
        "snippets": [("curl", "curl -X POST …" + "x" * 200), ("Python", "import httpx"), ("JSON", "{}")],
        "columns": ["Node", "Cores"],
        "rows": [["caravan-1", 8], ["caravan-2", 16]],
        "page": Paginator(range(50), 10).page(2),
        "stages": [
            {"title": "Placed", "state": "done", "lasted": timedelta(seconds=2)},
            {"title": "Packages", "state": "now", "detail": "scikit-learn 1.7", "percent": 60},
            {"title": "Storage", "state": "failed", "at": now},
            {"title": "Healthy", "state": "waiting"},
        ],
        "events": [
            {"at": now, "verb": "became healthy", "sentence": "Its endpoint answers.", "tone": "good"},
            {"at": now, "verb": "queued", "actor": "Ada"},
        ],
        "facts": [("Licence", "Apache-2.0"), ("Size", "8 GB"), ("Nothing", "")],
        "facet": [{"value": "a", "count": 12, "chosen": True}, {"value": "b", "count": 3, "chosen": False}],
    }
    return draw(request, "gallery.html", context)


def draw(request: HttpRequest, file: str, context: dict[str, object]) -> HttpResponse:
    return HttpResponse(Template((HERE / file).read_text()).render(RequestContext(request, context)))


def live(request: HttpRequest) -> HttpResponse:
    return draw(request, "live.html", {"mood": request.GET["mood"]})


def fragment(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f'<p id="{request.GET["id"]}">new</p>')


def slow(request: HttpRequest) -> HttpResponse:
    """How many changes there were when it was asked; by the time it answers there may be one more."""
    so_far = len(TOLD)
    time.sleep(1.2)
    attributes = 'data-live="id-3" hx-get="/gallery/slow" hx-trigger="live" hx-swap="outerHTML"'
    return HttpResponse(f'<p id="slow" {attributes}>{so_far}</p>')


def stream(request: HttpRequest) -> HttpResponse:
    if request.GET["mood"] == "gone":
        return HttpResponse(status=503)
    news = _two_at_once() if request.GET["mood"] == "busy" else _news()
    return StreamingHttpResponse(news, content_type="text/event-stream")


def _news() -> Iterator[str]:
    yield "retry: 600000\n\n: listening\n\n"
    time.sleep(0.3)
    yield f"event: changed\ndata: {json.dumps('id-1')}\n\n"
    time.sleep(2)


def _two_at_once() -> Iterator[str]:
    """The second comes while the fragment that the first asked for is on its way."""
    TOLD.clear()
    yield "retry: 600000\n\n: listening\n\n"
    for _ in range(2):
        time.sleep(0.6)
        TOLD.append("id-3")
        yield f"event: changed\ndata: {json.dumps('id-3')}\n\n"
    time.sleep(2)


urlpatterns = [
    path("", include("dashboard.urls")),
    path("gallery/", gallery),
    path("gallery/live", live),
    path("gallery/fragment", fragment),
    path("gallery/slow", slow),
    path("gallery/stream", stream),
]
