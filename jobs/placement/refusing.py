"""Why nothing can run it, each sentence at the value that is to blame."""

from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _

from datacenters.capacity import Capacity, DeviceCapacity, NodeCapacity
from jobs.refusals import FieldError
from jobs.requests import DeployRequest, ResourceRequest

from .needs import Needs, runtime_in
from .plans import Refusal
from .sentences import gpu_ask, gpu_list, why_not_attach, why_not_now
from .sizes import DIMENSIONS, Dimension, never, offering


def errors_of(
    request: DeployRequest, needs: Needs, capacities: Sequence[Capacity], refusals: Sequence[Refusal]
) -> Iterator[FieldError]:
    allowed = [capacity for capacity in capacities if capacity.name not in request.exclude]
    if not capacities:
        yield _no_datacenter(request)
    elif not allowed:
        yield FieldError("#/exclude", _("You excluded every datacenter that there is."))
    elif all(why_not_now(request, capacity) for capacity in allowed):
        yield FieldError("#/datacenter", why_not_now(request, allowed[0]))
    elif all(why_not_attach(request, capacity) for capacity in allowed):
        yield _cannot_attach(request, allowed)
    elif nodes := list(_usable(needs, [capacity for capacity in allowed if not why_not_now(request, capacity)])):
        yield from _size_errors(request.resources, nodes)
    else:
        reasons = " ".join(f"{refusal.datacenter}: {refusal.sentence}" for refusal in refusals)
        yield FieldError("#/module", _("No datacenter can run this. %(reasons)s") % {"reasons": reasons})


def _no_datacenter(request: DeployRequest) -> FieldError:
    if request.datacenter:
        return FieldError("#/datacenter", _("There is no datacenter “%(name)s”.") % {"name": request.datacenter})
    return FieldError("#", _("No datacenter is connected yet. Ask an operator to add one."))


def _cannot_attach(request: DeployRequest, capacities: Sequence[Capacity]) -> FieldError:
    """At the mode of the first that must be copied, where copying helps."""
    copying = next((capacity for capacity in capacities if capacity.copies_storages), None)
    mounted = next((index for index, one in enumerate(request.storages) if one.mode == "mount"), 0)
    where = f"#/storages/{mounted}/mode" if copying else "#/storages"
    return FieldError(where, why_not_attach(request, copying or capacities[0]))


def _usable(needs: Needs, capacities: Iterable[Capacity]) -> Iterator[tuple[Capacity, NodeCapacity]]:
    for capacity in capacities:
        runtime = runtime_in(needs, capacity)
        yield from ((capacity, node) for node in (offering(capacity, runtime) if runtime else ()))


def _size_errors(asked: ResourceRequest, nodes: Sequence[tuple[Capacity, NodeCapacity]]) -> Iterator[FieldError]:
    lacking = never(asked, [node for _capacity, node in nodes])
    for dimension in DIMENSIONS:
        if dimension.field in lacking:
            yield _size_error(dimension, asked, nodes)
    if "gpus" in lacking:
        yield FieldError(
            "#/resources/gpus", _gpu_error(asked, [device for _c, node in nodes for device in node.devices])
        )
    if not lacking:
        most = largest([capacity for capacity, _node in nodes])
        yield FieldError(
            "#/resources", _("No single machine has all of this together. %(largest)s") % {"largest": most}
        )


def _size_error(
    dimension: Dimension, asked: ResourceRequest, nodes: Sequence[tuple[Capacity, NodeCapacity]]
) -> FieldError:
    capacity, node = max(nodes, key=lambda pair: dimension.of(pair[1]))
    values = {
        "asked": dimension.say(dimension.asked(asked)),
        "most": dimension.say(dimension.of(node)),
        "place": capacity.title,
    }
    text = _("%(asked)s were asked for; the largest machine, in %(place)s, has %(most)s even when it is empty.")
    return FieldError(f"#/resources/{dimension.field}", text % values)


def _gpu_error(asked: ResourceRequest, devices: Sequence[DeviceCapacity]) -> str:
    gpus = [device for device in devices if device.kind == "gpu"]
    if not gpus:
        return _("A GPU was asked for, and no machine that can run this has one.")
    return _("%(asked)s were asked for; no machine has them. There is: %(has)s.") % {
        "asked": gpu_ask(asked),
        "has": gpu_list(gpus),
    }


def largest(capacities: Sequence[Capacity]) -> str:
    nodes = [(capacity, node) for capacity in capacities for node in capacity.nodes]
    if not nodes:
        return ""
    capacity, node = max(nodes, key=lambda pair: (pair[1].memory_mb, pair[1].cpu_cores))
    parts = ", ".join(dimension.say(dimension.of(node)) for dimension in DIMENSIONS)
    return _("The largest machine, in %(place)s, has %(parts)s.") % {"place": capacity.title, "parts": parts}
