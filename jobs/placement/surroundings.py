"""What the planner is told besides: what counts, where the data is, how long others waited."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import asin, cos, radians, sin, sqrt

from datacenters.capacity import Capacity

ANY_GPU = "GPU"  # whichever model
EARTH_KM = 6_371


class Wish(StrEnum):
    """What counts most among the datacenters that can run something."""

    FAST = "fast"
    NEAR = "near"
    GREEN = "green"
    CHEAP = "cheap"


@dataclass(frozen=True)
class Spot:
    """Where an attached storage lies, as far as that is known."""

    name: str
    datacenter: str = ""
    country: str = ""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True)
class Wait:
    """How long others waited for a start: the median, of so many."""

    lasts: timedelta
    of: int


@dataclass(frozen=True)
class Surroundings:
    wish: Wish = Wish.FAST
    spots: tuple[Spot, ...] = ()
    # By datacenter and GPU model: "" for none, ``ANY_GPU`` for whichever.
    waits: Mapping[tuple[str, str], Wait] = field(default_factory=dict)
    queued: Mapping[str, int] = field(default_factory=dict)  # deployments of ours that wait, by datacenter


def kilometres(spot: Spot, capacity: Capacity) -> float | None:
    """0 where it is that very datacenter; None if nobody knows."""
    if spot.datacenter and spot.datacenter == capacity.name:
        return 0.0
    places = (spot.latitude, spot.longitude, capacity.latitude, capacity.longitude)
    here = [radians(value) for value in places if value is not None]
    return _great_circle(*here) if len(here) == len(places) else None


def _great_circle(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    half = sin((other_lat - lat) / 2) ** 2 + cos(lat) * cos(other_lat) * sin((other_lon - lon) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))
