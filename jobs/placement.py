"""Where a request goes: a pure function of what is asked and what each datacenter has.

A job runs on one machine, so asks are compared with machines, never with sums. What no machine has even
when it is empty is refused; what is only taken now waits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Protocol

from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datacenters.capacity import Capacity, DeviceCapacity, NodeCapacity
from datacenters.jobspec import Runtime
from marketplace.models import Asset

from . import tools
from .refusals import FieldError
from .requests import DeployRequest, ResourceRequest


@dataclass(frozen=True)
class Needs:
    """What of a datacenter this can run on: runtimes, the better one first."""

    runtimes: tuple[Runtime, ...]
    # The package is a folder beside Serai, which no other machine can see.
    local_package: bool = False


class Offers(Protocol):
    """What a datacenter's row and its capacity both say."""

    @property
    def offers_containers(self) -> bool: ...
    @property
    def offers_packages(self) -> bool: ...
    @property
    def local(self) -> bool: ...


@dataclass(frozen=True)
class Choice:
    datacenter: str
    sentence: str
    starts_now: bool
    runtime: Runtime


@dataclass(frozen=True)
class Refusal:
    datacenter: str
    sentence: str


@dataclass(frozen=True)
class Plan:
    """The best choice first. ``errors`` says why there is none, each at the value that is to blame."""

    choices: tuple[Choice, ...]
    refusals: tuple[Refusal, ...]
    errors: tuple[FieldError, ...] = ()
    largest: str = ""

    @property
    def starts_now(self) -> bool:
        return bool(self.choices) and self.choices[0].starts_now


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


def needs_of(asset: Asset, options: Mapping[str, Any] | None = None) -> Needs:
    """An image isolates better, so it comes first where a datacenter offers both."""
    ways: tuple[tuple[str, Runtime], ...]
    ways = ((asset.docker_image, Runtime.CONTAINER), (asset.package, Runtime.PACKAGE))
    if options and options.get(tools.BESIDE):
        ways = ways[1:]  # JupyterLab sees what is installed, not what lies in an image
    return Needs(tuple(runtime for way, runtime in ways if way), PurePath(asset.package).is_absolute())


def plan(request: DeployRequest, needs: Needs, capacities: Sequence[Capacity]) -> Plan:
    asked_for = [capacity for capacity in capacities if request.datacenter in (None, capacity.name)]
    verdicts = [(capacity, judge(request, needs, capacity)) for capacity in asked_for]
    choices = [(capacity, verdict) for capacity, verdict in verdicts if isinstance(verdict, Choice)]
    choices.sort(key=lambda pair: _rank(request, *pair))
    refusals = tuple(verdict for _capacity, verdict in verdicts if isinstance(verdict, Refusal))
    errors = () if choices else tuple(_errors(request, needs, asked_for, refusals))
    return Plan(tuple(choice for _capacity, choice in choices), refusals, errors, _largest(asked_for))


def judge(request: DeployRequest, needs: Needs, capacity: Capacity) -> Choice | Refusal:
    """What one datacenter comes to, in one sentence with its numbers."""
    if capacity.name in request.exclude:
        return Refusal(capacity.name, _("You excluded it."))
    if why_not := _why_not_now(request, capacity):
        return Refusal(capacity.name, why_not)
    if why_not := _why_not_attach(request, capacity):
        return Refusal(capacity.name, why_not)
    runtime = runtime_in(needs, capacity)
    if runtime is None:
        return Refusal(capacity.name, _why_no_runtime(needs, capacity))
    nodes = _offering(capacity, runtime)
    if not nodes:
        return Refusal(capacity.name, _("It has no machine at the moment that runs this."))
    fitting = [node for node in nodes if not _too_small(request.resources, node)]
    if not fitting:
        return Refusal(capacity.name, _why_too_small(request.resources, nodes))
    return _with_warning(_choice(request.resources, capacity, fitting, runtime), capacity)


def runtime_in(needs: Needs, place: Offers) -> Runtime | None:
    offered = {
        Runtime.CONTAINER: place.offers_containers,
        Runtime.PACKAGE: place.offers_packages and (place.local or not needs.local_package),
    }
    return next((runtime for runtime in needs.runtimes if offered[runtime]), None)


def _why_not_now(request: DeployRequest, capacity: Capacity) -> str:
    """Closed to this person, kept for others' projects, or in maintenance."""
    if capacity.closed:
        return capacity.closed
    if capacity.only_projects and request.project not in capacity.projects:
        return _("It takes the jobs of other projects only. Its operator says whose.")
    if capacity.maintenance and capacity.in_maintenance:
        values = {"until": f"{localtime(capacity.maintenance.ends):%F %H:%M}", "reason": capacity.maintenance.reason}
        return _("It is in maintenance until %(until)s: %(reason)s.") % values
    return ""


def _why_not_attach(request: DeployRequest, capacity: Capacity) -> str:
    if request.storages and not capacity.copies_storages:
        return _("Storages cannot be attached there.")
    if any(one.mode == "mount" for one in request.storages) and not capacity.mounts_storages:
        return _("Storages cannot be mounted there. They can be copied there and back: choose “copy”.")
    return ""


def _with_warning(choice: Choice, capacity: Capacity) -> Choice:
    """Its maintenance of the next day, which may end what starts now."""
    if not capacity.maintenance:
        return choice
    values = {"from": f"{localtime(capacity.maintenance.starts):%F %H:%M}", "reason": capacity.maintenance.reason}
    warning = _("Maintenance begins there on %(from)s: %(reason)s.") % values
    return replace(choice, sentence=f"{choice.sentence} {warning}")


# ── Sentences ────────────────────────────────────────────────────────────────────────────────────
def _why_no_runtime(needs: Needs, capacity: Capacity) -> str:
    if not needs.runtimes:
        return _("This module names neither an image nor a package, so nothing can run it.")
    if Runtime.PACKAGE not in needs.runtimes:
        return _("This needs containers, which this datacenter does not offer.")
    if needs.local_package and capacity.offers_packages:
        return _("This module's package is a folder beside Serai, which only the local datacenter can see.")
    return _("This module is a Python package, and this datacenter does not run packages.")


def _choice(asked: ResourceRequest, capacity: Capacity, fitting: list[NodeCapacity], runtime: Runtime) -> Choice:
    if not capacity.reachable:
        return Choice(capacity.name, _why_silent(capacity), False, runtime)
    ready = [node for node in fitting if node.ready]
    if not ready:
        return Choice(
            capacity.name, _("Waits: its machines that are large enough take no new jobs now."), False, runtime
        )
    free = [node for node in ready if not _taken(asked, node)]
    if not free:
        return Choice(capacity.name, _why_taken(asked, ready), False, runtime)
    return Choice(capacity.name, _what_is_free(asked, max(free, key=_freedom)), True, runtime)


def _why_silent(capacity: Capacity) -> str:
    if capacity.unreachable_since is None:
        return _("Waits: it has not answered yet.")
    since = f"{localtime(capacity.unreachable_since):%H:%M}"
    return _("Waits: it does not answer since %(since)s. It had room for this when it last did.") % {"since": since}


def _what_is_free(asked: ResourceRequest, node: NodeCapacity) -> str:
    free = ", ".join(dimension.say(dimension.free(node)) for dimension in DIMENSIONS[:2])
    if not asked.gpus:
        return _("Starts now: %(free)s are free on one machine.") % {"free": free}
    device = next(device for device in node.devices if _matches(asked, device) and device.free >= asked.gpus)
    values = {"free": free, "gpus": device.free, "model": device.model}
    return _("Starts now: %(free)s and %(gpus)d %(model)s are free on one machine.") % values


def _why_taken(asked: ResourceRequest, ready: list[NodeCapacity]) -> str:
    """Told of the machine that lacks the least."""
    node = min(ready, key=lambda node: len(_taken(asked, node)))
    lacking = _taken(asked, node)
    parts = [
        _("%(asked)s asked, %(free)s of %(all)s free")
        % {"asked": d.say(d.asked(asked)), "free": number(d.free(node)), "all": number(d.of(node))}
        for d in DIMENSIONS
        if d.field in lacking
    ]
    if "gpus" in lacking:
        parts.append(_why_gpus_taken(asked, node))
    return _("Waits until something ends there: %(lack)s.") % {"lack": "; ".join(parts)}


def _why_gpus_taken(asked: ResourceRequest, node: NodeCapacity) -> str:
    device = next(device for device in node.devices if _matches(asked, device) and device.healthy >= asked.gpus)
    values = {"asked": asked.gpus, "model": device.model, "free": device.free, "all": device.healthy}
    return _("%(asked)d %(model)s asked, %(free)d of %(all)d free") % values


def _why_too_small(asked: ResourceRequest, nodes: Sequence[NodeCapacity]) -> str:
    never = _never(asked, nodes)
    parts = [
        _("%(asked)s asked, its largest machine has %(most)s")
        % {"asked": d.say(d.asked(asked)), "most": number(max(map(d.of, nodes)))}
        for d in DIMENSIONS
        if d.field in never
    ]
    if "gpus" in never:
        parts.append(why_no_gpu(asked, [device for node in nodes for device in node.devices]))
    if not parts:
        parts.append(_("no single one of its machines has all of this together"))
    return _capital("; ".join(parts)) + "."


def why_no_gpu(asked: ResourceRequest, devices: Sequence[DeviceCapacity]) -> str:
    """Nomad only says "missing devices"; this compares step by step what was asked with what is there."""
    gpus = [device for device in devices if device.kind == "gpu"]
    if not gpus:
        return _("%(asked)s asked, it has no GPU") % {"asked": _gpu_ask(asked)}
    values = {"asked": _gpu_ask(asked), "has": _gpu_list(gpus)}
    named = [device for device in gpus if _is_named(asked, device)]
    if not named:
        return _("%(asked)s asked, it has %(has)s") % values
    able = [device for device in named if _matches(asked, device)]
    if not able:
        return _("%(asked)s asked, its GPUs have less: %(has)s") % (values | {"has": _gpu_list(named)})
    values["most"] = max(device.healthy for device in able)  # type: ignore[assignment]
    return _("%(asked)s asked, one machine has at most %(most)d that work") % values


def _gpu_ask(asked: ResourceRequest) -> str:
    name = " ".join(filter(None, (asked.gpu_vendor, asked.gpu_model or _("GPU"))))
    traits = []
    if asked.gpu_memory_mb:
        traits.append(_("%(mb)s MB") % {"mb": f"{asked.gpu_memory_mb:,}"})
    if asked.gpu_compute_capability:
        traits.append(_("compute capability %(value)g") % {"value": asked.gpu_compute_capability})
    tail = f" ({', '.join(traits)})" if traits else ""
    return f"{asked.gpus} {name}{tail}"


def _gpu_list(devices: Iterable[DeviceCapacity]) -> str:
    counts: dict[str, int] = {}
    for device in devices:
        memory = f", {device.memory_mb:,} MB" if device.memory_mb else ""
        name = f"{device.model}{memory}"
        counts[name] = counts.get(name, 0) + device.total
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


# ── Comparing ────────────────────────────────────────────────────────────────────────────────────
def _offering(capacity: Capacity, runtime: Runtime) -> list[NodeCapacity]:
    offers: dict[Runtime, Callable[[NodeCapacity], bool]] = {
        Runtime.PACKAGE: lambda node: node.offers_packages,
        Runtime.CONTAINER: lambda node: node.offers_containers,
    }
    return [node for node in capacity.nodes if offers[runtime](node)]


def _too_small(asked: ResourceRequest, node: NodeCapacity) -> set[str]:
    """What this machine lacks even when it is empty."""
    lacking = {d.field for d in DIMENSIONS if d.asked(asked) > d.of(node)}
    fits = any(_matches(asked, device) and device.healthy >= asked.gpus for device in node.devices)
    return lacking | ({"gpus"} if asked.gpus and not fits else set())


def _taken(asked: ResourceRequest, node: NodeCapacity) -> set[str]:
    """What of this machine is in others' use, as far as it keeps this from starting."""
    lacking = {d.field for d in DIMENSIONS if d.asked(asked) > d.free(node)}
    fits = any(_matches(asked, device) and device.free >= asked.gpus for device in node.devices)
    return lacking | ({"gpus"} if asked.gpus and not fits else set())


def _never(asked: ResourceRequest, nodes: Sequence[NodeCapacity]) -> set[str]:
    """What none of these machines has; empty if each has some of it but none has all."""
    return set.intersection(*(_too_small(asked, node) for node in nodes)) if nodes else set()


def _is_named(asked: ResourceRequest, device: DeviceCapacity) -> bool:
    return asked.gpu_vendor in ("", device.vendor) and asked.gpu_model in ("", device.model)


def _matches(asked: ResourceRequest, device: DeviceCapacity) -> bool:
    return (
        device.kind == "gpu"
        and _is_named(asked, device)
        and asked.gpu_memory_mb <= (device.memory_mb or 0)
        and asked.gpu_compute_capability <= (device.compute_capability or 0)
    )


def _freedom(node: NodeCapacity) -> float:
    return min(node.free_cpu_cores / (node.cpu_cores or 1), node.free_memory_mb / (node.memory_mb or 1))


def _rank(request: DeployRequest, capacity: Capacity, choice: Choice) -> tuple[object, ...]:
    """Those that answer, then those that start at once, the preferred, the project's own; GPU sites are kept for
    GPU jobs."""
    preferred = request.prefer.index(capacity.name) if capacity.name in request.prefer else len(request.prefer)
    own = request.project in capacity.projects
    spares_gpus = not request.resources.gpus and any(node.devices for node in capacity.nodes)
    freedom = max((_freedom(node) for node in capacity.ready_nodes), default=0.0)
    return (not capacity.reachable, not choice.starts_now, preferred, not own, spares_gpus, -freedom, capacity.name)


# ── Why nothing can run it ───────────────────────────────────────────────────────────────────────
def _errors(
    request: DeployRequest, needs: Needs, capacities: Sequence[Capacity], refusals: Sequence[Refusal]
) -> Iterator[FieldError]:
    allowed = [capacity for capacity in capacities if capacity.name not in request.exclude]
    if not capacities:
        yield _no_datacenter(request)
    elif not allowed:
        yield FieldError("#/exclude", _("You excluded every datacenter that there is."))
    elif all(_why_not_now(request, capacity) for capacity in allowed):
        yield FieldError("#/datacenter", _why_not_now(request, allowed[0]))
    elif all(_why_not_attach(request, capacity) for capacity in allowed):
        yield _cannot_attach(request, allowed)
    elif nodes := list(_usable(needs, [capacity for capacity in allowed if not _why_not_now(request, capacity)])):
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
    return FieldError(where, _why_not_attach(request, copying or capacities[0]))


def _usable(needs: Needs, capacities: Iterable[Capacity]) -> Iterator[tuple[Capacity, NodeCapacity]]:
    for capacity in capacities:
        runtime = runtime_in(needs, capacity)
        yield from ((capacity, node) for node in (_offering(capacity, runtime) if runtime else ()))


def _size_errors(asked: ResourceRequest, nodes: Sequence[tuple[Capacity, NodeCapacity]]) -> Iterator[FieldError]:
    never = _never(asked, [node for _capacity, node in nodes])
    for dimension in DIMENSIONS:
        if dimension.field in never:
            yield _size_error(dimension, asked, nodes)
    if "gpus" in never:
        yield FieldError(
            "#/resources/gpus", _gpu_error(asked, [device for _c, node in nodes for device in node.devices])
        )
    if not never:
        largest = _largest([capacity for capacity, _node in nodes])
        yield FieldError(
            "#/resources", _("No single machine has all of this together. %(largest)s") % {"largest": largest}
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
        "asked": _gpu_ask(asked),
        "has": _gpu_list(gpus),
    }


def _largest(capacities: Sequence[Capacity]) -> str:
    nodes = [(capacity, node) for capacity in capacities for node in capacity.nodes]
    if not nodes:
        return ""
    capacity, node = max(nodes, key=lambda pair: (pair[1].memory_mb, pair[1].cpu_cores))
    parts = ", ".join(dimension.say(dimension.of(node)) for dimension in DIMENSIONS)
    return _("The largest machine, in %(place)s, has %(parts)s.") % {"place": capacity.title, "parts": parts}


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
