"""Where the datacenters are, as points on a map of our own: an equirectangular projection, one unit a degree.

The land is drawn by ``scripts/vendor.mjs`` from Natural Earth's outlines; no map server hears who looks at what.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datacenters.capacity import Capacity

MARGIN, LEAST_WIDTH = 8.0, 60.0  # degrees
RATIO = 2.4  # width to height


@dataclass(frozen=True)
class Spot:
    place: Capacity
    x: float
    y: float

    @property
    def state(self) -> str:
        if not self.place.reachable:
            return "away"
        return "closed" if self.place.in_maintenance else "open"


@dataclass(frozen=True)
class Map:
    """What part of the world is shown (an SVG's viewBox), how large a dot is there, and the dots."""

    x: float
    y: float
    width: float
    height: float
    spots: tuple[Spot, ...]

    @property
    def view_box(self) -> str:
        return f"{self.x:.1f} {self.y:.1f} {self.width:.1f} {self.height:.1f}"

    @property
    def unit(self) -> float:
        """The radius of a dot."""
        return round(self.width / 110, 2)

    @property
    def font(self) -> float:
        """The height of letters."""
        return round(self.unit * 2.2, 2)

    @property
    def middle(self) -> float:
        """By how much letters are lowered to stand beside the middle of their dot."""
        return round(self.font / 3, 2)

    @property
    def beside(self) -> float:
        """By how much they stand to the right of it."""
        return round(self.unit * 1.8, 2)


def map_of(capacities: Iterable[Capacity]) -> Map | None:
    """None where no operator said where their datacenter is."""
    spots = tuple(
        Spot(place, place.longitude + 180, 90 - place.latitude)
        for place in capacities
        if place.longitude is not None and place.latitude is not None
    )
    return _around(spots) if spots else None


def _around(spots: Sequence[Spot]) -> Map:
    """All spots with some land around them, and never less than a continent's width."""
    xs, ys = [spot.x for spot in spots], [spot.y for spot in spots]
    wide, high = max(xs) - min(xs) + 2 * MARGIN, max(ys) - min(ys) + 2 * MARGIN
    width = min(max(wide, high * RATIO, LEAST_WIDTH), 360.0)
    height = min(width / RATIO, 180.0)
    x = min(max((min(xs) + max(xs) - width) / 2, 0.0), 360.0 - width)
    y = min(max((min(ys) + max(ys) - height) / 2, 0.0), 180.0 - height)
    return Map(x, y, width, height, tuple(spots))
