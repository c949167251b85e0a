"""The first page: what this person can do next, and what became of what they did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from accounts.models import Capability
from dashboard.context import address
from dashboard.people import person
from dashboard.scope import chosen_project
from datacenters.models import Datacenter
from datacenters.services import capacities
from jobs.models import Deployment, DeploymentEvent, DeploymentQuerySet
from jobs.placement import needs_of, runtime_in
from marketplace.models import Asset, Condition, Kind

FEATURED, LOOKED_AT = 6, 60
RUNNING, RECENT, DATACENTERS = 6, 8, 3


@dataclass(frozen=True)
class Door:
    """A way to go on, for whoever has the capability."""

    capability: Capability
    title: str | Promise
    text: str | Promise
    icon: str
    page: str  # a URL's name; a door to a page that is not there is not shown
    query: str = ""

    @property
    def url(self) -> str:
        found = address(self.page)
        return found + self.query if found else ""


DOORS = (
    Door(Capability.USE, _("Use a module"), _("Send it your data from the page, or call its API."),
         icon="player-play", page="modules"),
    Door(Capability.TRAIN, _("Retrain a module"), _("Teach one with your own data and follow its run."),
         icon="chart-line", page="modules", query="?categories=AI4+trainable"),
    Door(Capability.DEVELOP, _("Work from a script"), _("Everything of these pages is in the REST API."),
         icon="code", page="api-docs"),
    Door(Capability.OPERATE, _("Look after datacenters"), _("What answers, what is free, what is full."),
         icon="server-2", page="datacenters"),
    Door(Capability.ADMINISTER, _("Let people in"), _("Invite somebody, and say what they may do."),
         icon="users", page="people"),
)  # fmt: skip


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    user = person(request)
    mine = Deployment.objects.visible_to(user)
    project = chosen_project(request, user)
    shown = mine.in_project(project)
    context = {
        "is_new": not mine.exists(),
        "project": project,
        "featured": list(islice(_runnable(), FEATURED)),
        "running": shown.live().select_related("datacenter", "asset")[:RUNNING],
        "recent": _recent(shown),
        "capacities": capacities()[:DATACENTERS],
        "doors": [door for door in DOORS if user.can(door.capability) and door.url],
    }
    return render(request, "home/home.html", context)


def _runnable() -> Iterator[Asset]:
    """Modules that a datacenter of this site can run, those that start quickest first."""
    places = Datacenter.objects.filter(enabled=True, cluster__enabled=True).select_related("cluster")
    for asset in _candidates():
        if any(runtime_in(needs_of(asset), place) for place in places):
            yield asset


def _candidates() -> Sequence[Asset]:
    modules = Asset.objects.listed().filter(kind=Kind.MODULE).exclude(condition=Condition.NEEDS_REPAIR)
    # A package beside Serai needs no image to be pulled: those first.
    packaged = modules.exclude(package="").order_by("title")
    imaged = modules.filter(~Q(docker_image=""), package="").order_by("title")
    return [*packaged[:LOOKED_AT], *imaged[:LOOKED_AT]]


def _recent(deployments: DeploymentQuerySet) -> list[DeploymentEvent]:
    """The newest turns; how far an installation is would push them all out."""
    events = DeploymentEvent.objects.filter(deployment__in=deployments).exclude(verb="progressed")
    return list(events.select_related("deployment", "actor").order_by("-id")[:RECENT])


urlpatterns = [path("", home, name="home")]
