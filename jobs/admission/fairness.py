"""Whose turn it is: who has the least of what is shared, then who asked first. A pure function."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Waiting:
    """One that waits. ``size`` is how much of what is shared it asks for."""

    key: Hashable
    person: Hashable
    since: datetime
    size: float


def in_turn(waiting: Sequence[Waiting], held: Mapping[Hashable, float]) -> list[Waiting]:
    """The order in which they may go. ``held``: how much each person has of it already.

    Each person's own keep the order in which they were asked for.
    """
    lines: defaultdict[Hashable, list[Waiting]] = defaultdict(list)
    for one in sorted(waiting, key=lambda one: (one.since, str(one.key))):
        lines[one.person].append(one)
    shares = {person: float(held.get(person, 0)) for person in lines}
    order: list[Waiting] = []
    while lines:
        person = min(lines, key=lambda person: (shares[person], lines[person][0].since, str(lines[person][0].key)))
        first = lines[person].pop(0)
        order.append(first)
        shares[person] += first.size
        if not lines[person]:
            del lines[person]
    return order
