"""Looking at this machine's processes in one pass over /proc: whose they are, what they use."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    pid: int
    state: str
    parent: int
    session: int
    start: int  # clock ticks since boot
    user_seconds: float
    system_seconds: float
    memory_bytes: int  # resident


def machine() -> str:
    """This run of this machine, or of the container that it is: in the next one numbers of processes name strangers."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _fields(pid: int) -> list[bytes]:
    """What /proc says after the program's name, which may hold anything."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def start_ticks(pid: int) -> int | None:
    try:
        return int(_fields(pid)[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


def processes() -> Iterator[Process]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                yield _process(int(name), _fields(int(name)))
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended while we looked


def _process(pid: int, fields: list[bytes]) -> Process:
    # utime and cutime, stime and cstime: what ended children used stays counted.
    user, system = int(fields[11]) + int(fields[13]), int(fields[12]) + int(fields[14])
    return Process(
        pid=pid,
        state=fields[0].decode(),
        parent=int(fields[1]),
        session=int(fields[3]),
        start=int(fields[19]),
        user_seconds=user / TICKS,
        system_seconds=system / TICKS,
        memory_bytes=int(fields[21]) * PAGE,
    )


def environment(pid: int) -> list[bytes]:
    """``NAME=value`` of a process as it began; empty if we may not know."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def below(root: int, found: Iterable[Process]) -> list[Process]:
    """All descendants of a process, itself left out."""
    children: dict[int, list[Process]] = defaultdict(list)
    for process in found:
        children[process.parent].append(process)
    tree, next_ones = [], [root]
    while next_ones:
        grown = children[next_ones.pop()]
        tree += grown
        next_ones += [process.pid for process in grown]
    return tree


def proportional_bytes(pid: int) -> int:
    """Memory with shared pages counted by share; 0 if it ended or may not be asked."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
