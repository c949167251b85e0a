"""Where a person's request would go as everything stands now: the planner with all that it is told, from rows alone."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from accounts.models import Project, User
from datacenters.capacity import Capacity
from datacenters.models import Datacenter
from marketplace.models import Asset

from . import placement, waits
from .models import Favour, Preference, Storage, StorageKind
from .placement import Plan, Spot, Surroundings, Wish
from .places import places_for
from .requests import DeployRequest


def plan_for(request: DeployRequest, asset: Asset, owner: User, places: Sequence[Capacity] | None = None) -> Plan:
    """``places``: those to choose from, if not all that this person may see."""
    offered = places_for(owner) if places is None else places
    return placement.plan(request, placement.needs_of(asset, request.options), offered, around(request, owner))


def around(request: DeployRequest, owner: User) -> Surroundings:
    """What counts for this request beside its size."""
    return Surroundings(
        wish=wish_of(request, owner),
        spots=tuple(_spots(request, owner)),
        waits=waits.typical(),
        queued=waits.queued(),
    )


def wish_of(request: DeployRequest, owner: User) -> Wish:
    """What the request says, else the person, else the project."""
    return Wish(request.favour or favour_of(owner) or _of_project(request.project) or Wish.FAST)


def favour_of(holder: Project | User) -> str:
    """What this one chose; empty if nothing."""
    return _first(Q(project=holder) if isinstance(holder, Project) else Q(person=holder))


def set_favour(holder: Project | User, favour: Favour | None) -> None:
    """None: no choice, so that others decide."""
    whose = {"project": holder} if isinstance(holder, Project) else {"person": holder}
    if favour is None:
        Preference.objects.filter(**whose).delete()
    else:
        Preference.objects.update_or_create(**whose, defaults={"favour": favour})


def _of_project(slug: str) -> str:
    return _first(Q(project__slug=slug))


def _first(whose: Q) -> str:
    return Preference.objects.filter(whose).values_list("favour", flat=True).first() or ""


# ── Where the data is ────────────────────────────────────────────────────────────────────────────
def _spots(request: DeployRequest, owner: User) -> Iterator[Spot]:
    asked = [pk for one in request.storages if (pk := _uuid(one.storage))]
    rows = Storage.objects.usable_by(owner).filter(pk__in=asked) if asked else ()
    home = _own_place() if asked else None
    for storage in rows:
        place = home if storage.kind == StorageKind.HOME else storage.datacenter
        yield _spot(storage, place)


def _spot(storage: Storage, place: Datacenter | None) -> Spot:
    if place is None:
        return Spot(storage.name, country=storage.country)
    footprint = getattr(place, "footprint", None)
    country = footprint.country if footprint else ""
    return Spot(storage.name, place.name, storage.country or country, place.latitude, place.longitude)


def _own_place() -> Datacenter | None:
    """Where Serai itself runs, and with it the homes: the datacenter that its operator names, else the local one."""
    named = Q(name=settings.HOME_DATACENTER) if settings.HOME_DATACENTER else Q(cluster__local=True)
    return Datacenter.objects.filter(named).select_related("footprint").first()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
