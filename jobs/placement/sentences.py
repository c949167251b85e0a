"""A sentence with its numbers for each choice and each refusal."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from datacenters.capacity import Capacity, DeviceCapacity, NodeCapacity
from datacenters.jobspec import Runtime
from jobs.requests import DeployRequest, ResourceRequest

from .needs import Needs
from .plans import Choice
from .sizes import DIMENSIONS, freedom, is_named, matches, never, number, taken


def why_not_now(request: DeployRequest, capacity: Capacity) -> str:
    """Closed to this person, kept for others' projects, in maintenance, or not tested."""
    if capacity.closed:
        return capacity.closed
    if capacity.only_projects and request.project not in capacity.projects:
        return _("It takes the jobs of other projects only. Its operator says whose.")
    if capacity.maintenance and capacity.in_maintenance:
        values = {"until": f"{localtime(capacity.maintenance.ends):%F %H:%M}", "reason": capacity.maintenance.reason}
        return _("It is in maintenance until %(until)s: %(reason)s.") % values
    if capacity.nodes and all(node.kept_back for node in capacity.nodes):
        return _("Only machines that passed their tests take jobs there, and none has. Its operator can test them.")
    return ""


def why_not_attach(request: DeployRequest, capacity: Capacity) -> str:
    if request.storages and not capacity.copies_storages:
        return _("Storages cannot be attached there.")
    if any(one.mode == "mount" for one in request.storages) and not capacity.mounts_storages:
        return _("Storages cannot be mounted there. They can be copied there and back: choose “copy”.")
    return ""


def with_warning(choice: Choice, capacity: Capacity) -> Choice:
    """Its maintenance of the next day, which may end what starts now."""
    if not capacity.maintenance:
        return choice
    values = {"from": f"{localtime(capacity.maintenance.starts):%F %H:%M}", "reason": capacity.maintenance.reason}
    warning = _("Maintenance begins there on %(from)s: %(reason)s.") % values
    return replace(choice, sentence=f"{choice.sentence} {warning}")


def why_no_runtime(needs: Needs, capacity: Capacity) -> str:
    if not needs.runtimes:
        return _("This module names neither an image nor a package, so nothing can run it.")
    if Runtime.PACKAGE not in needs.runtimes:
        return _("This needs containers, which this datacenter does not offer.")
    if needs.local_package and capacity.offers_packages:
        return _("This module's package is a folder beside Serai, which only the local datacenter can see.")
    return _("This module is a Python package, and this datacenter does not run packages.")


def choice_in(asked: ResourceRequest, capacity: Capacity, fitting: list[NodeCapacity], runtime: Runtime) -> Choice:
    if not capacity.reachable:
        return Choice(capacity.name, _why_silent(capacity), False, runtime)
    ready = [node for node in fitting if node.ready]
    if not ready:
        return Choice(
            capacity.name, _("Waits: its machines that are large enough take no new jobs now."), False, runtime
        )
    free = [node for node in ready if not taken(asked, node)]
    if not free:
        return Choice(capacity.name, _why_taken(asked, ready), False, runtime)
    return Choice(capacity.name, _what_is_free(asked, max(free, key=freedom)), True, runtime)


def _why_silent(capacity: Capacity) -> str:
    if capacity.unreachable_since is None:
        return _("Waits: it has not answered yet.")
    since = f"{localtime(capacity.unreachable_since):%H:%M}"
    return _("Waits: it does not answer since %(since)s. It had room for this when it last did.") % {"since": since}


def _what_is_free(asked: ResourceRequest, node: NodeCapacity) -> str:
    free = ", ".join(dimension.say(dimension.free(node)) for dimension in DIMENSIONS[:2])
    if not asked.gpus:
        return _("Starts now: %(free)s are free on one machine.") % {"free": free}
    device = next(device for device in node.devices if matches(asked, device) and device.free >= asked.gpus)
    values = {"free": free, "gpus": device.free, "model": device.model}
    return _("Starts now: %(free)s and %(gpus)d %(model)s are free on one machine.") % values


def _why_taken(asked: ResourceRequest, ready: list[NodeCapacity]) -> str:
    """Told of the machine that lacks the least."""
    node = min(ready, key=lambda node: len(taken(asked, node)))
    lacking = taken(asked, node)
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
    device = next(device for device in node.devices if matches(asked, device) and device.healthy >= asked.gpus)
    values = {"asked": asked.gpus, "model": device.model, "free": device.free, "all": device.healthy}
    return _("%(asked)d %(model)s asked, %(free)d of %(all)d free") % values


def why_too_small(asked: ResourceRequest, nodes: Sequence[NodeCapacity]) -> str:
    lacking = never(asked, nodes)
    parts = [
        _("%(asked)s asked, its largest machine has %(most)s")
        % {"asked": d.say(d.asked(asked)), "most": number(max(map(d.of, nodes)))}
        for d in DIMENSIONS
        if d.field in lacking
    ]
    if "gpus" in lacking:
        parts.append(why_no_gpu(asked, [device for node in nodes for device in node.devices]))
    if not parts:
        parts.append(_("no single one of its machines has all of this together"))
    return capital("; ".join(parts)) + "."


def why_no_gpu(asked: ResourceRequest, devices: Sequence[DeviceCapacity]) -> str:
    """Nomad only says "missing devices"; this compares step by step what was asked with what is there."""
    gpus = [device for device in devices if device.kind == "gpu"]
    if not gpus:
        return _("%(asked)s asked, it has no GPU") % {"asked": gpu_ask(asked)}
    values = {"asked": gpu_ask(asked), "has": gpu_list(gpus)}
    named = [device for device in gpus if is_named(asked, device)]
    if not named:
        return _("%(asked)s asked, it has %(has)s") % values
    able = [device for device in named if matches(asked, device)]
    if not able:
        return _("%(asked)s asked, its GPUs have less: %(has)s") % (values | {"has": gpu_list(named)})
    values["most"] = max(device.healthy for device in able)  # type: ignore[assignment]
    return _("%(asked)s asked, one machine has at most %(most)d that work") % values


def gpu_ask(asked: ResourceRequest) -> str:
    name = " ".join(filter(None, (asked.gpu_vendor, asked.gpu_model or _("GPU"))))
    traits = []
    if asked.gpu_memory_mb:
        traits.append(_("%(mb)s MB") % {"mb": f"{asked.gpu_memory_mb:,}"})
    if asked.gpu_compute_capability:
        traits.append(_("compute capability %(value)g") % {"value": asked.gpu_compute_capability})
    tail = f" ({', '.join(traits)})" if traits else ""
    return f"{asked.gpus} {name}{tail}"


def gpu_list(devices: Iterable[DeviceCapacity]) -> str:
    counts: dict[str, int] = {}
    for device in devices:
        memory = f", {device.memory_mb:,} MB" if device.memory_mb else ""
        name = f"{device.model}{memory}"
        counts[name] = counts.get(name, 0) + device.total
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
