"""What is new of jobs: from lines of Nomad's event stream, or by asking for what changed."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from datacenters.interface import JobEvent, Unreachable

# Job: registered, stopped. Evaluation: cannot be placed. Allocation: all that its tasks do.
TOPICS = ("Job", "Evaluation", "Allocation")
NODE = "Node"
HEARTBEAT = "{}"
# The index of allocations is the whole cluster's: on a busy one a question would be answered at once, again and again.
ASKS_AGAIN_SECONDS = 0.5


def job_events(line: bytes) -> list[JobEvent]:
    """Each job once, however many events of it the line holds; an empty list is a heartbeat."""
    try:
        entry = json.loads(line)
        index = int(entry.get("Index") or 0)
        about = dict.fromkeys(_about(event) for event in entry.get("Events") or ())
    except (ValueError, TypeError, AttributeError) as error:
        raise Unreachable("The cluster's stream of events holds something that is no event.") from error
    return [JobEvent(index, namespace, job_id) for namespace, job_id in about if job_id or not namespace]


def news(lines: Iterator[bytes]) -> Iterator[JobEvent | None]:
    """Events as they come; None for each heartbeat."""
    for line in lines:
        if line.strip():
            yield from job_events(line) or (None,)


Things = list[Mapping[str, Any]]


def changes(
    ask: Callable[[int], tuple[Things, int]], waiting: Callable[[], Things], since: int
) -> Iterator[JobEvent | None]:
    """Events made of allocations, and of evaluations that wait.

    ``ask(index)`` waits until an allocation is newer than that index, or for some time, and gives all of ours with the
    newest index. None after each answer, as a heartbeat.
    """
    known: set[tuple[str, str]] = set()
    blocked: dict[tuple[str, str], int] = {}
    while True:
        allocations, newest = ask(since)
        there = {_job_of(one) for one in allocations}
        # Purged: nothing of it is left that could have changed.
        yield from (JobEvent(newest, *gone) for gone in known - there)
        known = there
        yield from (JobEvent(one["ModifyIndex"], *_job_of(one)) for one in allocations if one["ModifyIndex"] > since)
        # What found no place has no allocation that could tell.
        found = {_job_of(one): int(one["ModifyIndex"]) for one in waiting()}
        yield from (JobEvent(index, *job) for job, index in found.items() if index > blocked.get(job, 0))
        blocked = found
        yield None
        since = newest
        time.sleep(ASKS_AGAIN_SECONDS)


def _job_of(thing: Mapping[str, Any]) -> tuple[str, str]:
    return thing["Namespace"], thing["JobID"]


def _about(event: Mapping[str, Any]) -> tuple[str, str | None]:
    topic = event.get("Topic") or ""
    if topic == NODE:
        return "", None
    thing = (event.get("Payload") or {}).get(topic) or {}
    job_id = thing.get("ID") if topic == "Job" else thing.get("JobID")
    return event.get("Namespace") or "default", job_id or None
