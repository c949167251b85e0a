"""What every page knows: where one can go, the theme, and what this site is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from accounts.models import Capability, User
from dashboard.scope import switcher
from datacenters.models import Datacenter

THEME_COOKIE = "serai_theme"


@dataclass(frozen=True)
class Theme:
    value: str
    title: str | Promise
    icon: str


THEMES = (
    Theme("light", _("Light"), icon="sun"),
    Theme("dark", _("Dark"), icon="moon"),
    Theme("system", _("System"), icon="device-laptop"),
)


@dataclass(frozen=True)
class Room:
    """An entry of the navigation; ``current`` is the value of aria-current, if any."""

    name: str  # of the URL
    title: str | Promise
    icon: str
    also: tuple[str, ...] = ()  # where pages of this room have other addresses
    url: str = ""
    current: str = ""


ROOMS = (
    Room("home", _("Home"), icon="home"),
    Room("modules", _("Marketplace"), icon="building-store", also=("/sources/",)),
    Room("deployments", _("Deployments"), icon="rocket", also=("/sweeps/",)),
    Room("storages", _("Storage"), icon="database"),
    Room("runs", _("Runs"), icon="chart-line"),
    Room("datacenters", _("Datacenters"), icon="server-2", also=("/clusters/", "/nodes/", "/topology/")),
    Room("api-docs", _("API"), icon="api"),
)


@dataclass(frozen=True)
class Site:
    local: bool
    simulated: bool


def shell(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    person = user if isinstance(user, User) else None
    return {
        "serai_version": settings.VERSION,
        "rooms": tuple(_open_rooms(request.path)) if person else (),
        "home_url": address("home") or "/",
        "signin_url": address("signin"),
        "theme": chosen_theme(request),
        "themes": THEMES,
        "site": SimpleLazyObject(_site),
        "switcher": SimpleLazyObject(lambda: switcher(request, person)),
        "administers": bool(person and person.can(Capability.ADMINISTER)),
    }


def address(name: str) -> str:
    """The URL of this name, or nothing where this site has no such page."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def chosen_theme(request: HttpRequest) -> str:
    value = request.COOKIES.get(THEME_COOKIE, "")
    return value if value in {theme.value for theme in THEMES} else "system"


def _open_rooms(path: str) -> Iterator[Room]:
    for room in ROOMS:
        if url := address(room.name):
            yield replace(room, url=url, current=_current(path, url, room.also))


def _current(path: str, url: str, also: tuple[str, ...]) -> str:
    """aria-current: this very page, or a page within this room."""
    if path == url:
        return "page"
    return "true" if path.startswith((url, *also) if url != "/" else also) else ""


def _site() -> Site:
    rows = Datacenter.objects.filter(enabled=True, cluster__enabled=True)
    flags = list(rows.values_list("cluster__local", "simulated_devices"))
    return Site(
        local=any(local for local, _simulated in flags), simulated=any(simulated for _local, simulated in flags)
    )
