"""What is asked for against what machines have, whole and free."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from datacenters.capacity import Capacity, DeviceCapacity, NodeCapacity
from datacenters.jobspec import Runtime
from jobs.requests import ResourceRequest


@dataclass(frozen=True)
class Dimension:
    """One thing that a machine has some of."""

    field: str
    text: str | Promise  # with one place for the number
    asked: Callable[[ResourceRequest], float]
    of: Callable[[NodeCapacity], float]
    free: Callable[[NodeCapacity], float]

    def say(self, amount: float) -> str:
        return str(self.text) % number(amount)


def number(amount: float) -> str:
    if abs(amount) >= 1e15:
        return f"{Decimal(amount):.3g}"  # some have more digits than a float
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.1f}"


DIMENSIONS = (
    Dimension(
        "cpu_cores",
        gettext_lazy("%s CPU cores"),
        lambda asked: asked.cpu_cores,
        lambda node: node.cpu_cores,
        lambda node: node.free_cpu_cores,
    ),
    Dimension(
        "memory_mb",
        gettext_lazy("%s MB of memory"),
        lambda asked: asked.memory_mb,
        lambda node: node.memory_mb,
        lambda node: node.free_memory_mb,
    ),
    Dimension(
        "disk_mb",
        gettext_lazy("%s MB of disk"),
        lambda asked: asked.disk_mb,
        lambda node: node.disk_mb,
        lambda node: node.free_disk_mb,
    ),
)


def offering(capacity: Capacity, runtime: Runtime) -> list[NodeCapacity]:
    offers: dict[Runtime, Callable[[NodeCapacity], bool]] = {
        Runtime.PACKAGE: lambda node: node.offers_packages,
        Runtime.CONTAINER: lambda node: node.offers_containers,
    }
    return [node for node in capacity.nodes if offers[runtime](node) and not node.kept_back]


def too_small(asked: ResourceRequest, node: NodeCapacity) -> set[str]:
    """What this machine lacks even when it is empty."""
    lacking = {d.field for d in DIMENSIONS if d.asked(asked) > d.of(node)}
    fits = any(matches(asked, device) and device.healthy >= asked.gpus for device in node.devices)
    return lacking | ({"gpus"} if asked.gpus and not fits else set())


def taken(asked: ResourceRequest, node: NodeCapacity) -> set[str]:
    """What of this machine is in others' use, as far as it keeps this from starting."""
    lacking = {d.field for d in DIMENSIONS if d.asked(asked) > d.free(node)}
    fits = any(matches(asked, device) and device.free >= asked.gpus for device in node.devices)
    return lacking | ({"gpus"} if asked.gpus and not fits else set())


def never(asked: ResourceRequest, nodes: Sequence[NodeCapacity]) -> set[str]:
    """What none of these machines has; empty if each has some of it but none has all."""
    return set.intersection(*(too_small(asked, node) for node in nodes)) if nodes else set()


def is_named(asked: ResourceRequest, device: DeviceCapacity) -> bool:
    return asked.gpu_vendor in ("", device.vendor) and asked.gpu_model in ("", device.model)


def matches(asked: ResourceRequest, device: DeviceCapacity) -> bool:
    return (
        device.kind == "gpu"
        and is_named(asked, device)
        and asked.gpu_memory_mb <= (device.memory_mb or 0)
        and asked.gpu_compute_capability <= (device.compute_capability or 0)
    )


def freedom(node: NodeCapacity) -> float:
    return min(node.free_cpu_cores / (node.cpu_cores or 1), node.free_memory_mb / (node.memory_mb or 1))
