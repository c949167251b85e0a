"""What running tasks use, and the end of those that use more memory than they asked for."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from .allocations import AllocationRunner
from .processes import Process, below, processes, proportional_bytes
from .state import Document

EVERY = 2.0  # seconds
MARGIN = 1.1  # counting is not exact: only what is clearly too much is ended
MEASURED_CPU = ["System Mode", "User Mode", "Percent"]
MEASURED_MEMORY = ["RSS", "Swap"]


@dataclass(frozen=True)
class Sample:
    at: float
    user: float  # seconds, since the task began
    system: float
    memory_bytes: int
    user_percent: float = 0.0  # of one core, since the sample before
    system_percent: float = 0.0


def sample(tree: list[Process], before: Sample | None) -> Sample:
    now = time.monotonic()
    user, system = sum(p.user_seconds for p in tree), sum(p.system_seconds for p in tree)
    memory = sum(p.memory_bytes for p in tree)
    if before is None or now <= before.at:
        return Sample(now, user, system, memory)
    passed = (now - before.at) / 100
    percents = (max(0.0, user - before.user) / passed, max(0.0, system - before.system) / passed)
    return Sample(now, user, system, memory, *percents)


class Meter:
    """The last sample of each running task, by (allocation, task)."""

    def __init__(self, runners: Mapping[str, AllocationRunner], megahertz: int) -> None:
        self.runners, self.megahertz = runners, megahertz
        self.samples: dict[tuple[str, str], Sample] = {}

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        """One pass over this machine's processes, if anything runs at all."""
        running = [
            (allocation, task, root)
            for allocation, runner in self.runners.items()
            for task in runner.tasks.values()
            if task.running and task.life and (root := task.life.root_process())
        ]
        found = list(processes()) if running else []
        before, self.samples = self.samples, {}
        for allocation, task, root in running:
            tree = below(root, found)
            self.samples[allocation, task.name] = sample(tree, before.get((allocation, task.name)))
            limit = _limit_bytes(task.task["Resources"])
            if used := over(tree, limit):
                asked, had = limit // 2**20, used // 2**20
                task.out_of_memory(f"OOM Killed: it used {had} MB of memory, {asked} MB were asked for")

    def usage(self, allocation: str, task: str) -> Document:
        found = self.samples.get((allocation, task), Sample(0, 0, 0, 0))
        percent = found.user_percent + found.system_percent
        used = resource_usage(found, percent, percent / 100 * self.megahertz)
        return {"Pids": None, "ResourceUsage": used, "Timestamp": time.time_ns()}


def _limit_bytes(resources: Document) -> int:
    return int(resources["MemoryMaxMB"] or resources["MemoryMB"]) * 2**20


def over(tree: list[Process], limit: int) -> int:
    """Bytes used, if clearly over the limit. Pages that processes share count once: the sum of what is resident
    is only the reason to look closer."""
    if sum(process.memory_bytes for process in tree) <= limit * MARGIN:
        return 0
    used = sum(proportional_bytes(process.pid) for process in tree)
    return used if used > limit * MARGIN else 0


def resource_usage(found: Sample, percent: float, ticks: float) -> Document:
    return {
        "CpuStats": {
            "Measured": MEASURED_CPU,
            "Percent": percent,
            "SystemMode": found.system_percent,
            "ThrottledPeriods": 0,
            "ThrottledTime": 0,
            "TotalTicks": ticks,
            "UserMode": found.user_percent,
        },
        "DeviceStats": None,
        "MemoryStats": {
            "Cache": 0,
            "KernelMaxUsage": 0,
            "KernelUsage": 0,
            "MappedFile": 0,
            "MaxUsage": 0,
            "Measured": MEASURED_MEMORY,
            "RSS": found.memory_bytes,
            "Swap": 0,
            "Usage": 0,
        },
    }


def total(usages: list[Document]) -> Document:
    """Several tasks' use as one."""
    whole = resource_usage(Sample(0, 0, 0, 0), 0, 0)
    for usage in usages:
        for group in ("CpuStats", "MemoryStats"):
            for name, value in usage[group].items():
                if name != "Measured":
                    whole[group][name] += value
    return whole
