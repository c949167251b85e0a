"""What is free for whoever comes next: as last seen, with what ended since, less what was let in since."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from datacenters.capacity import Capacity
from jobs.models import FINAL, Deployment, Status
from jobs.placement.reserving import reserved, returned
from jobs.places import places_for
from jobs.requests import ResourceRequest

from .queue import resources_of


def room_for(person: User) -> tuple[Capacity, ...]:
    places = places_for(person)
    by_name = {place.name: place for place in places}
    ended, asks = _ended(by_name), _on_their_way(by_name)
    return tuple(reserved(returned(place, ended[place.name]), asks[place.name]) for place in places)


def _ended(places: dict[str, Capacity]) -> dict[str, list[ResourceRequest]]:
    """What each place has got back since its figures were taken, by its name."""
    rows = Deployment.objects.filter(status__in=FINAL, started__isnull=False, ended__gt=_looked(places))
    found: defaultdict[str, list[ResourceRequest]] = defaultdict(list)
    for row in rows.select_related("datacenter").only("request", "started", "ended", "datacenter__name"):
        place = places.get(row.datacenter.name) if row.datacenter else None
        # What began after the figures were taken is not in them.
        if place and place.as_of and row.ended and row.started and row.started <= place.as_of < row.ended:
            found[place.name].append(resources_of(row))
    return found


def _looked(places: dict[str, Capacity]) -> datetime:
    """When the oldest figures were taken of those that answer."""
    return min((place.as_of for place in places.values() if place.reachable and place.as_of), default=timezone.now())


def _on_their_way(places: dict[str, Capacity]) -> dict[str, list[ResourceRequest]]:
    """What each place is going to take beside what its figures say, by its name."""
    unplaced = Q(status__in=(Status.QUEUED, Status.SUBMITTING, Status.PENDING))
    new = Q(status__in=(Status.STARTING, Status.RUNNING), submitted__gt=_looked(places))
    rows = Deployment.objects.holding_quota().filter(unplaced | new)
    found: defaultdict[str, list[ResourceRequest]] = defaultdict(list)
    for row in _not_counted(rows.select_related("datacenter"), places):
        assert row.datacenter is not None
        found[row.datacenter.name].append(resources_of(row))
    return found


def _not_counted(rows: Iterable[Deployment], places: dict[str, Capacity]) -> Iterable[Deployment]:
    for row in rows:
        place = places.get(row.datacenter.name) if row.datacenter else None
        if place is None:
            continue
        placed = row.status in (Status.STARTING, Status.RUNNING)
        if not placed or (row.submitted and place.as_of and row.submitted > place.as_of):
            yield row
