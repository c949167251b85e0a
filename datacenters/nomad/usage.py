"""What an allocation uses, from its statistics."""

from collections.abc import Mapping
from typing import Any

from datacenters.interface import Usage

STALE_NANOSECONDS = 10 * 1_000_000_000


def usage_of(stats: Mapping[str, Any]) -> Usage | None:
    """None where the agent publishes no figures (it then answers with empty ones)."""
    figures = {name: task for name, task in (stats.get("Tasks") or {}).items() if task and task.get("ResourceUsage")}
    newest = max((task.get("Timestamp") or 0 for task in figures.values()), default=0)
    tasks = {
        name: _figures(task["ResourceUsage"])
        for name, task in figures.items()
        # A task that has ended keeps its last figures.
        if newest - (task.get("Timestamp") or 0) < STALE_NANOSECONDS
    }
    if not tasks:
        return None
    return Usage(
        cpu_cores=sum(cores for cores, _bytes in tasks.values()),
        memory_bytes=sum(memory for _cores, memory in tasks.values()),
        per_task=tasks,
    )


def _figures(resources: Mapping[str, Any]) -> tuple[float, int]:
    """Cores (100 % is one) and bytes; containers report their usage, processes their resident memory."""
    cpu, memory = resources.get("CpuStats") or {}, resources.get("MemoryStats") or {}
    return (cpu.get("Percent") or 0.0) / 100, int(memory.get("RSS") or memory.get("Usage") or 0)
