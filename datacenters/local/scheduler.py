"""Placing one job on the one node: pure functions of the job, the node, and what is placed already.

A placement says which ports, cores and devices the job gets; a failure says why not, with Nomad's own keys.
"""

import fnmatch
import random
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .node import node_targets
from .state import Document
from .values import holds, holds_quantity, resolve

HOST_IP = "127.0.0.1"


@dataclass(frozen=True)
class Placement:
    resources: Document  # AllocatedResources
    metrics: Document


@dataclass(frozen=True)
class NoPlace:
    metrics: Document


@dataclass(frozen=True)
class Amount:
    """What can run out."""

    cpu: int = 0
    memory: int = 0
    disk: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.cpu + other.cpu, self.memory + other.memory, self.disk + other.disk)

    def most(self, other: "Amount") -> "Amount":
        return Amount(max(self.cpu, other.cpu), max(self.memory, other.memory), max(self.disk, other.disk))


class Filtered(Exception):
    """Never on this node as it is."""


class Exhausted(Exception):
    """Possible when something else ends."""


def port_is_free(port: int) -> bool:
    """Whether anyone could listen there now, Nomad's job or not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST_IP, port))
        except OSError:
            return False
    return True


def place(
    job: Document, node: Document, live: Iterable[Document], is_free: Callable[[int], bool] = port_is_free
) -> Placement | NoPlace:
    """Where the job's group goes; ``live`` are the resources of what is there."""
    group, placed = job["TaskGroups"][0], list(live)
    here = any(fnmatch.fnmatchcase(node["Datacenter"], _glob(name)) for name in job["Datacenters"])
    if not here or node["SchedulingEligibility"] != "eligible":
        return NoPlace(metrics(None))
    try:
        _check_filters(job, group, node)
        resources = _assign(group, node, placed, is_free)
    except Filtered as reason:
        return NoPlace(metrics(node, NodesFiltered=1, ConstraintFiltered={str(reason): 1}))
    except Exhausted as reason:
        asked = {task["Name"]: _exhausted(task, str(reason)) for task in group["Tasks"]}
        found = {"NodesExhausted": 1, "DimensionExhausted": {str(reason): 1}, "ResourcesExhausted": asked}
        return NoPlace(metrics(node, **found))
    return Placement(resources, metrics(node))


def _glob(name: str) -> str:
    """Nomad knows ``*`` only."""
    return name.replace("[", "[[]").replace("?", "[?]")


def _exhausted(task: Document, dimension: str) -> Document:
    """What the task asked for of that which ran out; Nomad tells it for cpu and memory only."""
    told = {"cpu": "CPU", "memory": "MemoryMB"}.get(dimension)
    zeros = dict.fromkeys(("CPU", "Cores", "DiskMB", "IOPS", "MemoryMB", "MemoryMaxMB", "SecretsMB"), 0)
    asked = {told: task["Resources"][told]} if told else {}
    return {**zeros, "Devices": None, "NUMA": None, "Networks": None, **asked}


def metrics(node: Document | None, **found: Any) -> Document:
    """The counters of an evaluation."""
    return {
        "AllocationTime": 0,
        "ClassExhausted": None,
        "ClassFiltered": None,
        "CoalescedFailures": 0,
        "ConstraintFiltered": None,
        "DimensionExhausted": None,
        "NodePool": "default",
        "NodesAvailable": {node["Datacenter"]: 1} if node else {},
        "NodesEvaluated": 1 if node else 0,
        "NodesExhausted": 0,
        "NodesFiltered": 0,
        "NodesInPool": 1 if node else 0,
        "QuotaExhausted": None,
        "ResourcesExhausted": None,
        "ScoreMetaData": None,
        "Scores": None,
        **found,
    }


# -- filters


def _check_filters(job: Document, group: Document, node: Document) -> None:
    known = node_targets(node)
    tasks = group["Tasks"]
    if any(task["Driver"] not in node["Drivers"] for task in tasks):
        raise Filtered("missing drivers")
    constraints = [job["Constraints"], group["Constraints"], *(task["Constraints"] for task in tasks)]
    for constraint in (one for some in constraints for one in some or []):
        left, right = resolve(constraint["LTarget"], known), resolve(constraint["RTarget"], known)
        if not holds(left, constraint["Operand"], right):
            raise Filtered(f"{constraint['LTarget']} {constraint['Operand']} {constraint['RTarget']}")
    _check_devices(tasks, node)


def _check_devices(tasks: list[Document], node: Document) -> None:
    """The node has what is asked for, taken or not."""
    spare = {id(device): len(_healthy(device)) for device in _devices(node)}
    for ask in _device_asks(tasks):
        fitting = [d for d in _devices(node) if matches(ask, d) and spare[id(d)] >= ask["Count"]]
        if not fitting:
            raise Filtered("missing devices")
        spare[id(fitting[0])] -= ask["Count"]


def _devices(node: Document) -> list[Document]:
    return node["NodeResources"]["Devices"] or []


def _healthy(device: Document) -> list[str]:
    return [instance["ID"] for instance in device["Instances"] if instance.get("Healthy", True)]


def _device_asks(tasks: list[Document]) -> list[Document]:
    return [ask for task in tasks for ask in task["Resources"]["Devices"] or []]


def matches(ask: Document, device: Document) -> bool:
    """Whether a device is of the name asked for, and meets the constraints."""
    names = ask["Name"].split("/", 2)
    own = {1: [device["Type"]], 2: [device["Vendor"], device["Type"]]}
    if names != own.get(len(names), [device["Vendor"], device["Type"], device["Name"]]):
        return False
    known = device_targets(device)
    return all(
        holds_quantity(resolve(one["LTarget"], known), one["Operand"], resolve(one["RTarget"], known))
        for one in ask["Constraints"] or []
    )


def device_targets(device: Document) -> dict[str, str]:
    known = {"device.model": device["Name"], "device.vendor": device["Vendor"], "device.type": device["Type"]}
    for name, attribute in (device.get("Attributes") or {}).items():
        known[f"device.attr.{name}"] = _attribute_text(attribute)
    return known


def _attribute_text(attribute: Mapping[str, Any]) -> str:
    if attribute.get("String") is not None:
        return str(attribute["String"])
    if attribute.get("Bool") is not None:
        return str(attribute["Bool"]).lower()
    number = attribute["Int"] if attribute.get("Int") is not None else attribute.get("Float")
    return f"{number} {attribute.get('Unit') or ''}".strip()


# -- assigning


def needed(tasks: Mapping[str, Document], lifecycles: Mapping[str, Document | None], disk: int) -> Amount:
    """What a group needs at its worst moment: before, while and after its main tasks run."""
    before, during, after, fixed = Amount(), Amount(), Amount(), Amount()
    for name, task in tasks.items():
        amount = Amount(task["Cpu"]["CpuShares"], task["Memory"]["MemoryMB"])
        if task["Cpu"]["ReservedCores"]:  # reserved cores stay reserved
            fixed, amount = fixed + Amount(cpu=amount.cpu), Amount(memory=amount.memory)
        lifecycle = lifecycles.get(name)
        hook = lifecycle["Hook"] if lifecycle else ""
        if hook == "poststop":
            after += amount
        if hook == "prestart":
            before += amount
        if hook in ("", "poststart") or (lifecycle and hook == "prestart" and lifecycle["Sidecar"]):
            during += amount
    return before.most(during).most(after) + fixed + Amount(disk=disk)


def _assign(group: Document, node: Document, live: list[Document], is_free: Callable[[int], bool]) -> Document:
    tasks, cores = {}, _cores_taken(live)
    devices = _devices_taken(live)
    for task in group["Tasks"]:
        tasks[task["Name"]] = {
            "Cpu": _assign_cpu(task["Resources"], node, cores),
            "Devices": _assign_devices(task["Resources"], node, devices),
            "Memory": {name: task["Resources"][name] for name in ("MemoryMB", "MemoryMaxMB")},
            "Networks": None,
        }
    lifecycles = {task["Name"]: task["Lifecycle"] for task in group["Tasks"]}
    disk = group["EphemeralDisk"]["SizeMB"]
    _check_amounts(needed(tasks, lifecycles, disk), node, live)
    ports = assign_ports((group["Networks"] or [{}])[0], node, live, is_free)
    return {"Shared": {"DiskMB": disk, **ports}, "TaskLifecycles": lifecycles, "Tasks": tasks}


def _cores_taken(live: list[Document]) -> set[int]:
    return {core for one in live for task in one["Tasks"].values() for core in task["Cpu"]["ReservedCores"] or []}


def _devices_taken(live: list[Document]) -> set[str]:
    taken = (device for one in live for task in one["Tasks"].values() for device in task["Devices"] or [])
    return {instance for device in taken for instance in device["DeviceIDs"]}


def _assign_cpu(resources: Document, node: Document, taken: set[int]) -> Document:
    if not resources["Cores"]:
        return {"CpuShares": resources["CPU"], "ReservedCores": None}
    cpu = node["NodeResources"]["Cpu"]
    free = [core for core in cpu["ReservableCpuCores"] if core not in taken][: resources["Cores"]]
    if len(free) < resources["Cores"]:
        raise Exhausted("cores")
    taken.update(free)
    return {"CpuShares": len(free) * cpu["CpuShares"] // cpu["TotalCpuCores"], "ReservedCores": free}


def _assign_devices(resources: Document, node: Document, taken: set[str]) -> list[Document] | None:
    given = []
    for ask in resources["Devices"] or []:
        for device in (device for device in _devices(node) if matches(ask, device)):
            free = [instance for instance in _healthy(device) if instance not in taken][: ask["Count"]]
            if len(free) == ask["Count"]:
                taken.update(free)
                names = {"Name": device["Name"], "Type": device["Type"], "Vendor": device["Vendor"]}
                given.append({"DeviceIDs": free, **names})
                break
        else:
            raise Exhausted("devices: no devices match request")
    return given or None


def _check_amounts(asked: Amount, node: Document, live: list[Document]) -> None:
    used = sum((needed(one["Tasks"], one["TaskLifecycles"], one["Shared"]["DiskMB"]) for one in live), Amount())
    whole, total = node["NodeResources"], used + asked
    if total.cpu > whole["Cpu"]["CpuShares"]:
        raise Exhausted("cpu")
    if total.memory > whole["Memory"]["MemoryMB"]:
        raise Exhausted("memory")
    if total.disk > whole["Disk"]["DiskMB"]:
        raise Exhausted("disk")


def assign_ports(network: Document, node: Document, live: list[Document], is_free: Callable[[int], bool]) -> Document:
    """Static ports as asked, dynamic ones that nobody listens on."""
    static, dynamic = network.get("ReservedPorts") or [], network.get("DynamicPorts") or []
    if not static and not dynamic:
        return {"Networks": None, "Ports": None}
    taken = {port["Value"] for one in live for port in one["Shared"]["Ports"] or []}
    for port in static:
        if port["Value"] in taken:
            raise Exhausted(f"network: reserved port collision {port['Label']}={port['Value']}")
        taken.add(port["Value"])
    ports = [_port(port["Label"], port["Value"]) for port in static]
    for port in dynamic:
        value = _free_port(node["NodeResources"], taken, is_free)
        taken.add(value)
        ports.append(_port(port["Label"], value))
    shown = [{"HostNetwork": "default", "Label": port["Label"], "Value": port["Value"]} for port in ports]
    networks = {"IP": HOST_IP, "Mode": "host", "DynamicPorts": shown[len(static) :] or None}
    return {"Networks": [{**networks, "ReservedPorts": shown[: len(static)] or None}], "Ports": ports}


def _port(label: str, value: int) -> Document:
    return {"HostIP": HOST_IP, "Label": label, "Value": value}


def _free_port(node: Document, taken: set[int], is_free: Callable[[int], bool]) -> int:
    # From a random place on, so that two agents on one machine seldom try the same one.
    lowest = int(node["MinDynamicPort"])
    size = int(node["MaxDynamicPort"]) - lowest
    first = random.randrange(size)  # noqa: S311 (no secret)
    for step in range(size):
        port = lowest + (first + step) % size
        if port not in taken and is_free(port):
            return port
    raise Exhausted("network: dynamic port selection failed")
