"""What is said of places, on the pages of datacenters, people and projects."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone

from accounts.models import Project, User
from dashboard.placing import footprint_of
from dashboard.placing_forms import FavourForm
from datacenters import carbon
from datacenters.models import Datacenter
from jobs import planning
from jobs.models import Storage

register = template.Library()

WIDTH, HEIGHT = 480, 90  # of the drawing, in units of its own
DAY = timedelta(days=1)


@register.inclusion_tag("placing/_footprint.html")
def footprint(datacenter: Datacenter, operates: bool) -> dict[str, Any]:
    """``{% footprint datacenter operates %}``: its energy and cost, and what was measured in the last day."""
    measured = carbon.recent(datacenter)
    grams = [value for _at, value in measured]
    return {
        "datacenter": datacenter,
        "operates": operates,
        "footprint": footprint_of(datacenter),
        "newest": measured[-1] if measured else None,
        "fresh": bool(measured) and measured[-1][0] > timezone.now() - carbon.FRESH,
        "least": min(grams, default=None),
        "most": max(grams, default=None),
        "points": _points(measured),
        "width": WIDTH,
        "height": HEIGHT,
        "hourly": measured[:: max(1, len(measured) // 24)],
    }


def _points(measured: Any) -> str:
    """The line of the last 24 hours, from zero to a little above its highest point; empty if there is no line."""
    if len(measured) < 2:
        return ""
    top, begin = max(value for _at, value in measured) * 1.1 or 1.0, timezone.now() - DAY
    return " ".join(f"{_x(at, begin):.1f},{HEIGHT * (1 - value / top):.1f}" for at, value in measured)


def _x(at: datetime, begin: datetime) -> float:
    return WIDTH * ((at - begin) / DAY)


@register.inclusion_tag("placing/_favour.html", takes_context=True)
def favour(context: Any, holder: Project | User, url: str) -> dict[str, Any]:
    """``{% favour project url %}``: the form that says what counts most."""
    form = FavourForm(initial={"favour": planning.favour_of(holder)})
    return {"form": form, "url": url, "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("placing/_storage.html")
def storage_place(storage: Storage) -> dict[str, Any]:
    """``{% storage_place storage %}``: where its files lie, and where that is said."""
    return {"storage": storage}
