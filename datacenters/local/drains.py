"""Taking the node out and emptying it, as Nomad does: services go at once, batches may end by themselves for a time.

There is no other node here, so what was stopped waits until this one takes jobs again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .errors import Refused
from .node import rfc3339
from .state import Change, Document, State

ELIGIBLE, INELIGIBLE = "eligible", "ineligible"
FACT = "drain"
MIGRATED = "alloc is being migrated"


@dataclass
class Drains:
    """``live`` tells the allocations that have not ended, ``move`` stops one and places its job anew."""

    state: State
    node: Document
    live: Callable[[], Iterable[Document]]
    move: Callable[[Document], None]
    retry: Callable[[], None]
    _timer: asyncio.TimerHandle | None = None

    def restore(self) -> None:
        """As the last agent left it."""
        fact = self.state.fact(FACT)
        self.node["SchedulingEligibility"] = fact.get("eligibility", ELIGIBLE)
        strategy = fact.get("strategy")
        self.node.update(Drain=strategy is not None, DrainStrategy=strategy)

    def resume(self) -> None:
        if self.node["Drain"]:
            self._go_on()

    def set_eligibility(self, wanted: str) -> None:
        if wanted not in (ELIGIBLE, INELIGIBLE):
            raise Refused(500, f'invalid scheduling eligibility "{wanted}"')
        if wanted == ELIGIBLE and self.node["Drain"]:
            raise Refused(500, "can not set node's scheduling eligibility to eligible while it is draining")
        self._write("NodeEligibility", SchedulingEligibility=wanted)
        if wanted == ELIGIBLE:
            self.retry()

    def begin(self, spec: Document) -> None:
        now, deadline = time.time(), _nanoseconds(spec.get("Deadline"))
        strategy = {
            "Deadline": deadline,
            "ForceDeadline": rfc3339(int(now * 1e9) + max(deadline, 0)) if deadline else None,
            "IgnoreSystemJobs": bool(spec.get("IgnoreSystemJobs")),
            "StartedAt": rfc3339(int(now * 1e9)),
        }
        self._write("NodeDrain", Drain=True, DrainStrategy=strategy, SchedulingEligibility=INELIGIBLE)
        self.state.remember(FACT, ends=now + deadline / 1e9 if deadline else None)
        self._go_on()

    def end(self, *, eligible: bool) -> None:
        self._forget_timer()
        wanted = ELIGIBLE if eligible else self.node["SchedulingEligibility"]
        self._write("NodeDrain", Drain=False, DrainStrategy=None, SchedulingEligibility=wanted)
        if eligible:
            self.retry()

    def look(self) -> None:
        """Something has ended: perhaps it was the last. The node stays out, as in Nomad."""
        if self.node["Drain"] and not any(True for _one in self.live()):
            self.end(eligible=False)

    def _go_on(self) -> None:
        self._forget_timer()
        ends = self.state.fact(FACT).get("ends")
        for document in list(self.live()):
            if document["JobType"] == "service" and document["DesiredStatus"] == "run":
                self.move(document)
        if ends is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, ends - time.time()), self._force)
        self.look()

    def _force(self) -> None:
        for document in list(self.live()):
            if document["DesiredStatus"] == "run":
                self.move(document)
        self.look()

    def _forget_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None

    def _write(self, what: str, **members: Any) -> None:
        self.node.update(members)
        kept = {"eligibility": self.node["SchedulingEligibility"], "strategy": self.node["DrainStrategy"]}
        self.state.remember(FACT, **kept)
        self.state.commit(Change("Node", self.node, what))


def _nanoseconds(given: object) -> int:
    if given is None:
        return 0
    if not isinstance(given, int) or isinstance(given, bool):
        raise Refused(400, "json: cannot unmarshal into Go struct field DrainSpec.Deadline of type time.Duration")
    return given
