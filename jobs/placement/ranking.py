"""Which of the places that can run something is the best one for it.

Each place gets a number for each thing that counts, from 0 (as good as can be) to 1, that is worked out from this place
alone: taking a place away, or refusing it, never changes the order of the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from datacenters.capacity import Capacity
from jobs.requests import DeployRequest, ResourceRequest

from .plans import Choice
from .sizes import freedom
from .surroundings import ANY_GPU, Spot, Surroundings, Wait, Wish, kilometres

UNKNOWN = 0.5
FAR_KM, DIRTY_GRAMS, LONG = 1_000.0, 250.0, timedelta(hours=2)
COSTS: Mapping[str, float] = {"low": 0.0, "normal": 0.5, "high": 1.0}


@dataclass(frozen=True)
class Weights:
    start: float
    load: float
    near: float
    green: float
    cost: float


# A wish outweighs all else together but a wait of hours.
WEIGHTS: Mapping[Wish, Weights] = {
    Wish.FAST: Weights(start=20, load=2, near=2, green=0.5, cost=0.5),
    Wish.NEAR: Weights(start=6, load=1, near=12, green=0.5, cost=0.5),
    Wish.GREEN: Weights(start=6, load=1, near=1, green=12, cost=0.5),
    Wish.CHEAP: Weights(start=6, load=1, near=1, green=0.5, cost=12),
}


def rank(request: DeployRequest, around: Surroundings, capacity: Capacity, choice: Choice) -> tuple[object, ...]:
    """Those that answer, then (unless something else is wished for) those that start at once, the preferred, the
    project's own; GPU sites are kept for GPU jobs."""
    preferred = request.prefer.index(capacity.name) if capacity.name in request.prefer else len(request.prefer)
    own = request.project in capacity.projects
    spares_gpus = not request.resources.gpus and any(node.devices for node in capacity.nodes)
    waits = around.wish is Wish.FAST and not choice.starts_now
    badness = round(score(request, around, capacity, choice), 9)
    return (not capacity.reachable, waits, preferred, not own, spares_gpus, badness, capacity.name)


def score(request: DeployRequest, around: Surroundings, capacity: Capacity, choice: Choice) -> float:
    """The smaller, the better."""
    weights = WEIGHTS[around.wish]
    return (
        weights.start * _start(request.resources, around, choice)
        + weights.load * _load(capacity)
        + weights.near * _distance(around, capacity)
        + weights.green * _dirt(capacity)
        + weights.cost * COSTS.get(capacity.footprint.cost, UNKNOWN)
    )


def wait_of(asked: ResourceRequest, around: Surroundings, datacenter: str) -> Wait | None:
    """How long others waited there for the like; None if too few did for a guess."""
    model = (asked.gpu_model or ANY_GPU) if asked.gpus else ""
    return around.waits.get((datacenter, model))


def nearest(around: Surroundings, capacity: Capacity) -> tuple[Spot, float] | None:
    """The storage that is the farthest from there, and how far: the slowest one is waited for."""
    known = [(spot, distance) for spot in around.spots if (distance := kilometres(spot, capacity)) is not None]
    return max(known, key=lambda pair: (pair[1], pair[0].name)) if known else None


def _start(asked: ResourceRequest, around: Surroundings, choice: Choice) -> float:
    if choice.starts_now:
        return 0.0
    wait = wait_of(asked, around, choice.datacenter)
    return _share(wait.lasts / LONG) if wait else UNKNOWN


def _load(capacity: Capacity) -> float:
    return 1 - max((freedom(node) for node in capacity.ready_nodes), default=0.0)


def _distance(around: Surroundings, capacity: Capacity) -> float:
    if not around.spots:
        return 0.0
    if found := nearest(around, capacity):
        return _share(found[1] / FAR_KM)
    countries = {spot.country for spot in around.spots if spot.country}
    if not countries or not capacity.footprint.country:
        return UNKNOWN
    return 0.2 if countries == {capacity.footprint.country} else 0.8


def _dirt(capacity: Capacity) -> float:
    grams = capacity.footprint.grams_per_kwh_of_work
    return UNKNOWN if grams is None else _share(grams / DIRTY_GRAMS)


def _share(ratio: float) -> float:
    """Growing from 0 to 1; a half at 1."""
    return ratio / (1 + ratio)
