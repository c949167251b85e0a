"""What a job in Nomad's JSON asks for, to compare with what nodes have."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from datacenters.interface import NodeFacts
from datacenters.jobspec import Device

from .nodes import number, used_by


@dataclass(frozen=True)
class Ask:
    datacenters: tuple[str, ...]
    drivers: tuple[str, ...]
    cpu_mhz: int
    memory_mb: int
    disk_mb: int
    device: Device | None = None

    def could_use(self, node: NodeFacts) -> bool:
        return any(fnmatchcase(node.datacenter, pattern) for pattern in self.datacenters)

    @property
    def place(self) -> str:
        return "this cluster" if any("*" in name for name in self.datacenters) else " or ".join(self.datacenters)


def ask_of(job: Mapping[str, Any]) -> Ask:
    groups = job.get("TaskGroups") or ()
    tasks = [task for group in groups for task in group.get("Tasks") or ()]
    used = used_by(
        {
            "Tasks": {task["Name"]: _as_allocated(task) for task in tasks},
            "TaskLifecycles": {task["Name"]: task.get("Lifecycle") for task in tasks},
        }
    )
    return Ask(
        datacenters=tuple(job.get("Datacenters") or ("*",)),
        drivers=tuple(dict.fromkeys(task.get("Driver", "") for task in tasks)),
        cpu_mhz=used.cpu_mhz,
        memory_mb=used.memory_mb,
        disk_mb=sum((group.get("EphemeralDisk") or {}).get("SizeMB") or 0 for group in groups),
        device=next((_device(device) for task in tasks for device in _resources(task).get("Devices") or ()), None),
    )


def _as_allocated(task: Mapping[str, Any]) -> dict[str, Any]:
    asked = _resources(task)
    return {"Cpu": {"CpuShares": asked.get("CPU") or 0}, "Memory": {"MemoryMB": asked.get("MemoryMB") or 0}}


def _resources(task: Mapping[str, Any]) -> Mapping[str, Any]:
    return task.get("Resources") or {}


def _device(device: Mapping[str, Any]) -> Device:
    """``gpu``, ``nvidia/gpu`` or ``nvidia/gpu/<model>``, with constraints on its attributes."""
    parts = device["Name"].split("/", 2)
    vendor, kind, model = ("", parts[0], "") if len(parts) == 1 else (parts[0], parts[1], "".join(parts[2:]))
    wanted = {one.get("LTarget"): one.get("RTarget") or "" for one in device.get("Constraints") or ()}
    return Device(
        count=device.get("Count") or 1,
        kind=kind,
        vendor=wanted.get("${device.vendor}", vendor),
        model=wanted.get("${device.model}", model),
        memory_mb=_mebibytes(wanted.get("${device.attr.memory}", "")),
        compute_capability=_first_number(wanted.get("${device.attr.cuda_compute_capability}", "")),
    )


def _mebibytes(text: str) -> int:
    return int(_first_number(text) * (1024 if "GiB" in text else 1))


def _first_number(text: str) -> float:
    return number(re.sub(r"^[^0-9]*", "", text)) or 0.0


def in_reach(ask: Ask, nodes: Iterable[NodeFacts]) -> list[NodeFacts]:
    return [node for node in nodes if ask.could_use(node)]
