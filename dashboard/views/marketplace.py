"""The marketplace: finding modules and tools, one of them, and the sources they come from."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from accounts.models import Capability
from dashboard import module_facts
from dashboard.module_facts import CONDITION_LOOKS, LEVEL_LOOKS, Card
from dashboard.people import person
from dashboard.source_forms import SourceForm
from dashboard.views.people import administrators_only
from marketplace import markdown, metadata, search, services
from marketplace.findings import Level
from marketplace.models import Asset, Condition, Source

# In an address nothing stands for the default: the best match of words, else the title.
SORTS = {
    search.Sort.TITLE: gettext_lazy("Title"),
    search.Sort.UPDATED: gettext_lazy("Last change"),
    search.Sort.NEWEST: gettext_lazy("Newest"),
}


# ── Find ─────────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
@vary_on_headers("HX-Request")
def index(request: HttpRequest) -> HttpResponse:
    """The list; everything chosen is in its address. Typing asks for the results alone."""
    page = search.find(search.Query.from_params(request.GET))
    context = {
        "found": page,
        "cards": [Card.of(asset) for asset in page.items],
        "page": Paginator(range(page.count), search.PAGE_SIZE).page(page.number),
        "sorts": _sorts(page.query),
        "may_manage": person(request).can(Capability.ADMINISTER),
    }
    whole = not request.headers.get("HX-Request") or request.headers.get("HX-History-Restore-Request")
    return render(request, "marketplace/index.html" if whole else "marketplace/_results.html", context)


def _sorts(query: search.Query) -> list[tuple[str, str, bool]]:
    """(value, title, chosen) of each order; the default first."""
    default = search.Sort.RELEVANCE if query.text else search.Sort.TITLE
    others = [(str(sort), str(title), sort == query.sort) for sort, title in SORTS.items() if sort != default]
    return [("", _("Best match") if query.text else _("Title"), query.sort == default), *others]


# ── One of them ──────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
def module(request: HttpRequest, slug: str) -> HttpResponse:
    """One asset; also one that left its source, since what runs of it links here."""
    asset = get_object_or_404(Asset.objects.select_related("source"), slug=slug)
    plan = module_facts.plan_for(asset, person(request)) if asset.runtimes and not asset.gone else None
    actions = module_facts.actions(asset, person(request), plan)
    context = {
        "asset": asset,
        "card": Card.of(asset),
        "condition": CONDITION_LOOKS[Condition(asset.condition)],
        "description": markdown.render(asset.description),
        "facts": module_facts.facts(asset),
        "origin": module_facts.origin(asset),
        "links": metadata.links(asset.metadata),
        "actions": actions,
        "reasons": module_facts.reasons(actions),
        "plan": plan,
        "findings": [(LEVEL_LOOKS[Level(finding["level"])], finding) for finding in asset.report],
        "tab": "checks" if request.GET.get("tab") == "checks" else "about",
    }
    return render(request, "marketplace/module.html", context)


@login_required
@require_GET
def metadata_file(_request: HttpRequest, slug: str) -> JsonResponse:
    """The metadata as Serai reads it, to keep or to use elsewhere."""
    asset = get_object_or_404(Asset, slug=slug)
    headers = {"Content-Disposition": f'attachment; filename="{asset.slug}.json"'}
    return JsonResponse(asset.metadata, headers=headers, json_dumps_params={"indent": 2, "ensure_ascii": False})


# ── Where they come from ─────────────────────────────────────────────────────────────────────────
@administrators_only
@require_http_methods(["GET", "POST"])
def sources(request: HttpRequest) -> HttpResponse:
    form = SourceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        source = services.add_source(**form.cleaned_data, actor=person(request))
        _read(request, source)
        return redirect("sources")
    context: dict[str, Any] = {"form": form, "sources": _with_counts()}
    return render(request, "marketplace/sources.html", context, status=422 if form.errors else 200)


def _with_counts() -> Any:
    listed = Q(assets__gone=None)
    broken = listed & Q(assets__condition__in=[Condition.OUTDATED, Condition.NEEDS_REPAIR])
    counts = {"listed": Count("assets", filter=listed), "broken": Count("assets", filter=broken)}
    return Source.objects.annotate(**counts).order_by("-enabled", "title")


@administrators_only
@require_POST
def sync_source(request: HttpRequest, slug: str) -> HttpResponse:
    _read(request, get_object_or_404(Source, slug=slug, enabled=True))
    return redirect("sources")


@administrators_only
@require_POST
def switch_source(request: HttpRequest, slug: str) -> HttpResponse:
    source = get_object_or_404(Source, slug=slug)
    on = request.POST.get("on") == "1"
    services.switch(source, on=on, actor=person(request))
    if on:
        _read(request, source)
    else:
        text = _("“%(title)s” is off: its entries left the list. What people run of them goes on.")
        messages.success(request, text % {"title": source.title})
    return redirect("sources")


def _read(request: HttpRequest, source: Source) -> None:
    """Folders are read at once; repositories in the background, since they may take minutes."""
    result = services.read(source)
    if result is None:
        text = _("“%(title)s” is being read. Its state appears here; reload in a minute.")
        messages.info(request, text % {"title": source.title})
    elif result.problem:
        messages.error(request, f"{source.title}: {result.problem}")
    else:
        messages.success(request, f"{source.title}: {result}.")


urlpatterns = [
    path("modules/", index, name="modules"),
    path("modules/<slug:slug>/", module, name="module"),
    path("modules/<slug:slug>/metadata.json", metadata_file, name="module-metadata"),
    path("sources/", sources, name="sources"),
    path("sources/<slug:slug>/sync", sync_source, name="source-sync"),
    path("sources/<slug:slug>/switch", switch_source, name="source-switch"),
]
