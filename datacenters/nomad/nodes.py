"""What Nomad's node list says, in our words."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from datacenters.interface import DeviceGroup, Driver, Held, NodeFacts

# Allocations whose resources are still held; "unknown" ones go on on a node out of reach.
HOLDING = frozenset({"pending", "running", "unknown"})
MIB = {"": 1 / (1 << 20), "B": 1 / (1 << 20), "KiB": 1 / 1024, "MiB": 1, "GiB": 1024, "TiB": 1024**2}
MIB |= {"kB": 1e3 / (1 << 20), "MB": 1e6 / (1 << 20), "GB": 1e9 / (1 << 20), "TB": 1e12 / (1 << 20)}


@dataclass(frozen=True)
class Used:
    cpu_mhz: int = 0
    memory_mb: int = 0
    disk_mb: int = 0

    def __add__(self, other: "Used") -> "Used":
        return Used(self.cpu_mhz + other.cpu_mhz, self.memory_mb + other.memory_mb, self.disk_mb + other.disk_mb)

    def __or__(self, other: "Used") -> "Used":
        """As much as the larger of both: they are never used at the same time."""
        return Used(
            max(self.cpu_mhz, other.cpu_mhz),
            max(self.memory_mb, other.memory_mb),
            max(self.disk_mb, other.disk_mb),
        )


DeviceKey = tuple[str, str, str]


def node_facts(node: Mapping[str, Any], meta: Mapping[str, str], allocations: Iterable[Mapping[str, Any]]) -> NodeFacts:
    """One node of the list (with resources), its metadata, and the allocations on it."""
    holding = [allocation for allocation in allocations if allocation.get("ClientStatus") in HOLDING]
    held = [allocation.get("AllocatedResources") or {} for allocation in holding]
    total = node.get("NodeResources") or {}
    reserved = node.get("ReservedResources") or {}
    used = sum((used_by(resources) for resources in held), Used())
    devices_used = sum((_devices_of(resources) for resources in held), Counter[DeviceKey]())
    cpu = total.get("Cpu") or {}
    return NodeFacts(
        id=node["ID"],
        name=node.get("Name") or node["ID"],
        datacenter=node.get("Datacenter") or "",
        ready=is_ready(node),
        drivers=tuple(sorted(name for name, driver in (node.get("Drivers") or {}).items() if _works(driver))),
        cpu_cores=cpu.get("TotalCpuCores") or len(cpu.get("ReservableCpuCores") or ()),
        cpu_mhz=_left(total, reserved, "Cpu", "CpuShares"),
        memory_mb=_left(total, reserved, "Memory", "MemoryMB"),
        disk_mb=_left(total, reserved, "Disk", "DiskMB"),
        used_cpu_mhz=used.cpu_mhz,
        used_memory_mb=used.memory_mb,
        used_disk_mb=used.disk_mb,
        devices=tuple(_device_group(device, devices_used) for device in total.get("Devices") or ()),
        meta=dict(meta),
        version=node.get("Version") or "",
        status=node.get("Status") or "",
        eligible=node.get("SchedulingEligibility", "eligible") == "eligible",
        draining=bool(node.get("Drain")),
        driver_health=tuple(_driver(*pair) for pair in sorted((node.get("Drivers") or {}).items())),
        held=tuple(_held(allocation) for allocation in holding),
    )


def _driver(name: str, driver: Mapping[str, Any] | None) -> Driver:
    return Driver(name, _works(driver), (driver or {}).get("HealthDescription") or "")


def _held(allocation: Mapping[str, Any]) -> Held:
    resources = allocation.get("AllocatedResources") or {}
    devices: Counter[str] = Counter()
    for (_vendor, _kind, model), count in _devices_of(resources).items():
        devices[model] += count
    return Held(
        allocation_id=allocation.get("ID") or "",
        job_id=allocation.get("JobID") or "",
        devices=dict(devices),
        **asdict(used_by(resources)),
    )


def is_ready(node: Mapping[str, Any]) -> bool:
    up = node.get("Status") == "ready" and not node.get("Drain")
    return up and node.get("SchedulingEligibility", "eligible") == "eligible"


def used_by(resources: Mapping[str, Any]) -> Used:
    """What an allocation holds, as Nomad counts it: tasks that never run together share their room."""
    lifecycles = resources.get("TaskLifecycles") or {}
    prestart = main = poststop = Used()
    for name, task in (resources.get("Tasks") or {}).items():
        used = _task_used(task)
        lifecycle = lifecycles.get(name) or {}
        hook, sidecar = lifecycle.get("Hook", ""), lifecycle.get("Sidecar", False)
        if hook == "prestart":
            prestart += used
        if hook in ("", "poststart") or (hook == "prestart" and sidecar):
            main += used
        if hook == "poststop":
            poststop += used
    shared = Used(disk_mb=(resources.get("Shared") or {}).get("DiskMB") or 0)
    return (prestart | main | poststop) + shared


def attribute(value: Mapping[str, Any]) -> Any:
    """Nomad's ``{"Int": 15360, "Unit": "MiB", …}`` as a plain value; memory is in MiB."""
    for kind in ("Int", "Float"):
        if value.get(kind) is not None:
            unit = value.get("Unit") or ""
            return int(value[kind] * MIB[unit]) if unit in MIB and unit else value[kind]
    return value.get("Bool") if value.get("Bool") is not None else value.get("String")


def number(value: object) -> float | None:
    """The number that an attribute's text begins with ("7.5"), or None."""
    found = re.match(r"\s*(\d+(?:\.\d+)?)", str(value)) if value is not None else None
    return float(found[1]) if found else None


def capability(device: DeviceGroup) -> float | None:
    """The CUDA compute capability, where the node's plugin tells it."""
    return number(device.attributes.get("cuda_compute_capability"))


def _device_group(device: Mapping[str, Any], used: Mapping[DeviceKey, int]) -> DeviceGroup:
    instances: Sequence[Mapping[str, Any]] = device.get("Instances") or ()
    attributes = {name: attribute(value or {}) for name, value in (device.get("Attributes") or {}).items()}
    memory = number(attributes.get("memory"))
    return DeviceGroup(
        vendor=device.get("Vendor") or "",
        kind=device.get("Type") or "",
        model=device.get("Name") or "",
        count=len(instances),
        healthy=sum(bool(instance.get("Healthy")) for instance in instances),
        used=used.get(_key(device), 0),
        memory_mb=int(memory) if memory is not None else None,
        attributes=attributes,
    )


def _devices_of(resources: Mapping[str, Any]) -> Counter[DeviceKey]:
    counts: Counter[DeviceKey] = Counter()
    for task in (resources.get("Tasks") or {}).values():
        for device in task.get("Devices") or ():
            counts[_key(device)] += len(device.get("DeviceIDs") or ())
    return counts


def _key(device: Mapping[str, Any]) -> DeviceKey:
    return device.get("Vendor") or "", device.get("Type") or "", device.get("Name") or ""


def _task_used(task: Mapping[str, Any]) -> Used:
    return Used(
        cpu_mhz=(task.get("Cpu") or {}).get("CpuShares") or 0,
        memory_mb=(task.get("Memory") or {}).get("MemoryMB") or 0,
    )


def _left(total: Mapping[str, Any], reserved: Mapping[str, Any], kind: str, name: str) -> int:
    """What Nomad may give away: the total without what the operator reserved."""
    return max(0, ((total.get(kind) or {}).get(name) or 0) - ((reserved.get(kind) or {}).get(name) or 0))


def _works(driver: Mapping[str, Any] | None) -> bool:
    return bool(driver and driver.get("Detected") and driver.get("Healthy"))
