"""What is left of a place once its figures, some seconds old, are told what went there and what ended since."""

from collections.abc import Iterable
from dataclasses import replace

from datacenters.capacity import Capacity, DeviceCapacity, NodeCapacity
from jobs.requests import ResourceRequest

from .sizes import DIMENSIONS, freedom, matches, taken


def reserved(capacity: Capacity, asks: Iterable[ResourceRequest]) -> Capacity:
    """Each ask takes its share of the machine with the most room for it; what fits nowhere takes nothing."""
    for asked in asks:
        capacity = replace(capacity, nodes=_with(capacity.nodes, asked))
    return capacity


def returned(capacity: Capacity, asks: Iterable[ResourceRequest]) -> Capacity:
    """Each ask gives its share back to the fullest machine that can have held it."""
    for asked in asks:
        capacity = replace(capacity, nodes=_given_back(capacity.nodes, asked))
    return capacity


def _given_back(nodes: tuple[NodeCapacity, ...], asked: ResourceRequest) -> tuple[NodeCapacity, ...]:
    held = [node for node in nodes if node.ready and _can_have_held(node, asked)]
    if not held:
        return nodes
    chosen = min(held, key=lambda node: (freedom(node), node.id))
    return tuple(_more(node, asked) if node is chosen else node for node in nodes)


def _can_have_held(node: NodeCapacity, asked: ResourceRequest) -> bool:
    fits = all(d.asked(asked) <= d.of(node) - d.free(node) for d in DIMENSIONS)
    return fits and (not asked.gpus or any(_held_gpus(device, asked) for device in node.devices))


def _held_gpus(device: DeviceCapacity, asked: ResourceRequest) -> bool:
    return matches(asked, device) and device.free + asked.gpus <= device.healthy


def _more(node: NodeCapacity, asked: ResourceRequest) -> NodeCapacity:
    chosen = next((device for device in node.devices if asked.gpus and _held_gpus(device, asked)), None)
    return replace(
        node,
        free_cpu_cores=node.free_cpu_cores + asked.cpu_cores,
        free_memory_mb=node.free_memory_mb + asked.memory_mb,
        free_disk_mb=node.free_disk_mb + asked.disk_mb,
        devices=tuple(replace(one, free=one.free + asked.gpus) if one is chosen else one for one in node.devices),
    )


def _with(nodes: tuple[NodeCapacity, ...], asked: ResourceRequest) -> tuple[NodeCapacity, ...]:
    fitting = [node for node in nodes if node.ready and not taken(asked, node)]
    if not fitting:
        return nodes
    chosen = max(fitting, key=lambda node: (freedom(node), node.id))
    return tuple(_less(node, asked) if node is chosen else node for node in nodes)


def _less(node: NodeCapacity, asked: ResourceRequest) -> NodeCapacity:
    return replace(
        node,
        free_cpu_cores=node.free_cpu_cores - asked.cpu_cores,
        free_memory_mb=node.free_memory_mb - asked.memory_mb,
        free_disk_mb=node.free_disk_mb - asked.disk_mb,
        devices=_without(node.devices, asked),
    )


def _without(devices: tuple[DeviceCapacity, ...], asked: ResourceRequest) -> tuple[DeviceCapacity, ...]:
    if not asked.gpus:
        return devices
    chosen = next(device for device in devices if matches(asked, device) and device.free >= asked.gpus)
    return tuple(replace(one, free=one.free - asked.gpus) if one is chosen else one for one in devices)
