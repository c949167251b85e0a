"""What is free for whoever comes next: as last seen, less what was let in since."""

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from datacenters.capacity import Capacity
from jobs.models import Deployment, Status
from jobs.placement.reserving import reserved
from jobs.places import places_for
from jobs.requests import ResourceRequest

from .queue import resources_of


def room_for(person: User) -> tuple[Capacity, ...]:
    places = places_for(person)
    asks = _on_their_way({place.name: place for place in places})
    return tuple(reserved(place, asks[place.name]) for place in places)


def _on_their_way(places: dict[str, Capacity]) -> dict[str, list[ResourceRequest]]:
    """What each place is going to take beside what its figures say, by its name."""
    looked = min((place.as_of for place in places.values() if place.reachable and place.as_of), default=timezone.now())
    unplaced = Q(status__in=(Status.QUEUED, Status.SUBMITTING, Status.PENDING))
    new = Q(status__in=(Status.STARTING, Status.RUNNING), submitted__gt=looked)
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
