"""Ports that jobs were given, kept from other jobs: nobody may listen where somebody else's clients call."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from .allocations import AllocationRunner
from .users import User, end_all_of, separate

log = logging.getLogger("serai.local")

EVERY = 1.0  # seconds
LISTENING = "0A"  # Linux, include/net/tcp_states.h


async def watch(runners: Mapping[str, AllocationRunner]) -> None:
    """End whoever listens on another job's port: its owner may just be starting again, and would find it taken."""
    while separate():
        for intruder, port in intruders(runners, listeners() if runners else set()):
            log.warning("User %s listened on port %s, which is another job's; its processes were ended", intruder, port)
            await asyncio.to_thread(end_all_of, User(intruder, intruder))
        await asyncio.sleep(EVERY)


def intruders(runners: Mapping[str, AllocationRunner], found: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(user, port) of each of our jobs that listens on a port which was given to another one of them."""
    given = {runner.user.uid: _ports(runner) for runner in runners.values() if runner.user}
    owners = {port: uid for uid, ports in given.items() for port in ports}
    for port, uid in sorted(found):
        if uid in given and owners.get(port, uid) != uid:
            yield uid, port


def _ports(runner: AllocationRunner) -> list[int]:
    return [port["Value"] for port in runner.document["AllocatedResources"]["Shared"]["Ports"] or []]


def listeners() -> set[tuple[int, int]]:
    """(port, user) of every listening TCP socket of this machine."""
    found: set[tuple[int, int]] = set()
    for name in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):
            rows = (line.split() for line in Path("/proc/net", name).read_text().splitlines()[1:])
            found |= {(int(row[1].rpartition(":")[2], 16), int(row[7])) for row in rows if row[3] == LISTENING}
    return found
