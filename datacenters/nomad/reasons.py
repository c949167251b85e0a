"""Why the scheduler does not place a job, in plain words with their numbers.

Nomad counts nodes: *filtered* ones will never take the job as they are, *exhausted* ones would if
something ended. Which part of a GPU ask failed it cannot say; that is worked out from the nodes' own facts.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datacenters.interface import DeviceGroup, NodeFacts, Reason
from datacenters.jobspec import CORE_MHZ, Device

from .asks import Ask, in_reach
from .nodes import capability

Text = str | Promise
Words = tuple[Text, Text]  # a sentence and what would help
STARTS_BY_ITSELF = gettext_lazy("It starts by itself as soon as there is room; or choose another datacenter.")


def why_not_placed(metrics: Mapping[str, Any], ask: Ask, nodes: Iterable[NodeFacts]) -> Reason:
    """The reason behind one group's ``FailedTGAllocs``; ``nodes`` are all that the cluster has."""
    here = in_reach(ask, nodes)
    sentence, advice = _why(metrics, ask, here)
    return Reason(
        str(sentence), str(advice), {"asked": _asked(ask), "scheduler": _counters(metrics), "nodes": len(here)}
    )


def _why(metrics: Mapping[str, Any], ask: Ask, here: Sequence[NodeFacts]) -> Words:
    if metrics.get("QuotaExhausted"):
        limits = ", ".join(metrics["QuotaExhausted"])
        return (
            _("The project's quota in %(place)s is used up: %(limits)s.") % {"place": ask.place, "limits": limits},
            _("Stop something of the project's, or ask its administrator for more."),
        )
    exhausted = metrics.get("DimensionExhausted") or {}
    if exhausted:
        return _exhausted(_most(exhausted), ask, here)
    filtered = {**(metrics.get("ConstraintFiltered") or {})}
    # A node of a class that was filtered before is only counted as this: the other keys say why.
    hidden = filtered.pop("computed class ineligible", 0)
    if filtered:
        return _filtered(_most(filtered), ask, here)
    if metrics.get("ClassFiltered") or metrics.get("ClassExhausted"):
        classes = ", ".join({**(metrics.get("ClassFiltered") or {}), **(metrics.get("ClassExhausted") or {})})
        return _("No node of a fitting class takes the job in %(place)s (classes there: %(classes)s).") % {
            "place": ask.place,
            "classes": classes,
        }, ANOTHER_PLACE
    if not hidden and not metrics.get("NodesEvaluated"):
        return _no_nodes(ask, here)
    return _("No node of %(place)s can take this job as it is.") % {"place": ask.place}, ANOTHER_PLACE


def _most(counts: Mapping[str, int]) -> str:
    return max(counts, key=lambda key: counts[key])


def _no_nodes(ask: Ask, here: Sequence[NodeFacts]) -> Words:
    if not here:
        return _("There is no node in %(place)s.") % {"place": ask.place}, _(
            "Check the datacenter's name, or choose another datacenter."
        )
    away = sum(not node.ready for node in here)
    return (
        _("No node of %(place)s takes jobs now (%(away)s of %(all)s are down, draining or set aside).")
        % {"place": ask.place, "away": away, "all": len(here)},
        _("It starts by itself when a node is back; or choose another datacenter."),
    )


# ── Exhausted: possible when something ends, if the job is not larger than any node ──────────────


@dataclass(frozen=True)
class Dimension:
    """One thing of which a node has so much, and how to say it."""

    noun: Text
    asked: Callable[[Ask], float]
    total: Callable[[NodeFacts], float]
    used: Callable[[NodeFacts], float]
    unit: str

    def say(self, amount: float) -> str:
        amount = round(amount, 1)
        return f"{amount:,.10g} {self.unit.removesuffix('s') if amount == 1 else self.unit}"


DIMENSIONS = {
    "cpu": Dimension(
        gettext_lazy("CPU"),
        lambda ask: ask.cpu_mhz / CORE_MHZ,
        lambda node: node.cpu_mhz / CORE_MHZ,
        lambda node: node.used_cpu_mhz / CORE_MHZ,
        "cores",
    ),
    "memory": Dimension(
        gettext_lazy("memory"),
        lambda ask: ask.memory_mb,
        lambda node: node.memory_mb,
        lambda node: node.used_memory_mb,
        "MB",
    ),
    "disk": Dimension(
        gettext_lazy("disk space"),
        lambda ask: ask.disk_mb,
        lambda node: node.disk_mb,
        lambda node: node.used_disk_mb,
        "MB",
    ),
}


def _exhausted(key: str, ask: Ask, here: Sequence[NodeFacts]) -> Words:
    if key in DIMENSIONS:
        return _too_little(DIMENSIONS[key], ask, here)
    if key.startswith("devices"):
        return why_no_device(ask.device, ask.place, here)
    if collision := re.search(r"reserved port collision (\S+)=(\d+)", key):
        return _("Port %(port)s is in use by another job on every node of %(place)s.") % {
            "port": collision[2],
            "place": ask.place,
        }, STARTS_BY_ITSELF
    if key.startswith("network"):
        return _("No node of %(place)s has a free port left for this job.") % {"place": ask.place}, STARTS_BY_ITSELF
    if "cores" in key:
        return _("No node of %(place)s has enough whole CPU cores free.") % {"place": ask.place}, STARTS_BY_ITSELF
    return _("No node of %(place)s has enough left of: %(key)s.") % {"place": ask.place, "key": key}, STARTS_BY_ITSELF


def _too_little(dimension: Dimension, ask: Ask, here: Sequence[NodeFacts]) -> Words:
    asked = dimension.asked(ask)
    if not here:
        return _("No node of %(place)s has %(asked)s of %(noun)s free.") % {
            "place": ask.place,
            "asked": dimension.say(asked),
            "noun": dimension.noun,
        }, STARTS_BY_ITSELF
    largest = max(dimension.total(node) for node in here)
    if asked > largest:
        return (
            _("The job asks for %(asked)s of %(noun)s; the largest node of %(place)s has %(largest)s.")
            % {
                "asked": dimension.say(asked),
                "noun": dimension.noun,
                "place": ask.place,
                "largest": dimension.say(largest),
            },
            _("Ask for less, or choose a datacenter with larger nodes."),
        )
    free = max(max(0, dimension.total(node) - dimension.used(node)) for node in here)
    return (
        _("The job asks for %(asked)s of %(noun)s; the most that is free on one node of %(place)s is %(free)s.")
        % {"asked": dimension.say(asked), "noun": dimension.noun, "place": ask.place, "free": dimension.say(free)},
        _("It starts by itself when others end; or ask for less, or choose another datacenter."),
    )


# ── Filtered: never on that node as it is ────────────────────────────────────────────────────────

ANOTHER_PLACE = gettext_lazy("Choose another datacenter, or ask its operator.")


def _filtered(key: str, ask: Ask, here: Sequence[NodeFacts]) -> Words:
    if key == "missing devices":
        return why_no_device(ask.device, ask.place, here)
    if key == "missing drivers":
        return _no_driver(ask, here)
    if key in ("distinct_hosts", "distinct_property"):
        return _("The job wants nodes of its own, and %(place)s has none left.") % {
            "place": ask.place
        }, STARTS_BY_ITSELF
    if key.startswith(("missing network", "missing host network", "invalid host network")):
        return _("No node of %(place)s has the network that the job's ports need.") % {
            "place": ask.place
        }, ANOTHER_PLACE
    if key.startswith("missing compatible host volumes"):
        return _("No node of %(place)s has the folder that the job wants to mount.") % {
            "place": ask.place
        }, ANOTHER_PLACE
    if meta := re.fullmatch(r"\$\{meta\.serai_(\w+)\} is_set\s*", key):
        return _("No node of %(place)s offers %(what)s.") % {
            "place": ask.place,
            "what": OFFERS.get(meta[1], meta[1]),
        }, ANOTHER_PLACE
    if key.startswith("${node.unique.id} set_contains_any"):
        return _("None of the nodes of %(place)s that this may run on can take it now.") % {
            "place": ask.place
        }, STARTS_BY_ITSELF
    return _("No node of %(place)s meets the job's condition “%(condition)s”.") % {
        "place": ask.place,
        "condition": key.strip(),
    }, ANOTHER_PLACE


OFFERS: Mapping[str, Text] = {
    "python": gettext_lazy("Python packages (the node's metadata serai_python is missing)"),
    "uv": gettext_lazy("installing Python packages (the node's metadata serai_uv is missing)"),
    "packages_root": gettext_lazy("a place for Python packages (the node's metadata serai_packages_root is missing)"),
    "rclone": gettext_lazy("attaching storages (the node's metadata serai_rclone is missing)"),
    "mounts_root": gettext_lazy("attaching storages (the node's metadata serai_mounts_root is missing)"),
    "fuse": gettext_lazy("mounting storages (the node's metadata serai_fuse is missing)"),
    "storage_root": gettext_lazy("project storage (the node's metadata serai_storage_root is missing)"),
}
PACKAGES = gettext_lazy("Python packages")
RUNS: Mapping[str, Text] = {"docker": gettext_lazy("containers"), "exec": PACKAGES, "raw_exec": PACKAGES}


def _no_driver(ask: Ask, here: Sequence[NodeFacts]) -> Words:
    there = {driver for node in here for driver in node.drivers}
    missing = [driver for driver in ask.drivers if driver not in there] or list(ask.drivers)
    what = _(" and ").join(dict.fromkeys(str(RUNS.get(driver, driver)) for driver in missing))
    return _("No node of %(place)s runs %(what)s (driver %(drivers)s).") % {
        "place": ask.place,
        "what": what,
        "drivers": ", ".join(missing),
    }, ANOTHER_PLACE


# ── Devices ──────────────────────────────────────────────────────────────────────────────────────


def why_no_device(device: Device | None, place: str, nodes: Iterable[NodeFacts]) -> Words:
    """First vendor, type and model, then attributes, then how many are well, then what is in use."""
    if device is None:
        return _("No node of %(place)s has the devices that the job asks for.") % {"place": place}, ANOTHER_PLACE
    here = [group for node in nodes for group in node.devices]
    of_kind = [group for group in here if group.kind == device.kind]
    for failed in (_no_model, _no_memory, _no_capability, _not_enough, _in_use):
        if words := failed(device, place, of_kind):
            return words
    return _("No node of %(place)s has a fitting %(noun)s that is free.") % {
        "place": place,
        "noun": _noun(device),
    }, STARTS_BY_ITSELF


def _no_model(device: Device, place: str, of_kind: Sequence[DeviceGroup]) -> Words | None:
    if not of_kind:
        return _("%(place)s has no %(noun)ss.") % {
            "place": _capital(place),
            "noun": _noun(device, plain=True),
        }, ANOTHER_PLACE
    if any(_same_model(device, group) for group in of_kind):
        return None
    return _("%(place)s has no %(noun)s. It has: %(inventory)s.") % {
        "place": _capital(place),
        "noun": _noun(device),
        "inventory": _inventory(of_kind),
    }, _("Choose one of these, or any.")


def _no_memory(device: Device, place: str, of_kind: Sequence[DeviceGroup]) -> Words | None:
    right = [group for group in of_kind if _same_model(device, group)]
    if not device.memory_mb or any((group.memory_mb or 0) >= device.memory_mb for group in right):
        return None
    largest = max(group.memory_mb or 0 for group in right)
    return (
        _("The job asks for a %(noun)s with %(memory_mb)s MB of memory; the largest in %(place)s has %(largest)s MB.")
        % {"noun": _noun(device), "memory_mb": f"{device.memory_mb:,}", "place": place, "largest": f"{largest:,}"},
        _("Ask for less memory, or choose another datacenter."),
    )


def _no_capability(device: Device, place: str, of_kind: Sequence[DeviceGroup]) -> Words | None:
    right = [group for group in of_kind if _large_enough(device, group)]
    wanted = device.compute_capability
    if not wanted or any((capability(group) or 0) >= wanted for group in right):
        return None
    best = max(capability(group) or 0 for group in right)
    said = (
        _("the best that fits in %(place)s has %(best)s") % {"place": place, "best": f"{best:g}"}
        if best
        else _("none in %(place)s says what it has") % {"place": place}
    )
    return (
        _("The job asks for a %(noun)s of compute capability %(wanted)s; %(said)s.")
        % {"noun": _noun(device), "wanted": f"{wanted:g}", "said": said},
        _("Ask for an older one, or choose another datacenter."),
    )


def _not_enough(device: Device, place: str, of_kind: Sequence[DeviceGroup]) -> Words | None:
    fitting = [group for group in of_kind if _fits(device, group)]
    healthy = max(group.healthy for group in fitting)
    if healthy >= device.count:
        return None
    sick = sum(group.count - group.healthy for group in fitting)
    and_sick = _(" (%(sick)s more out of order)") % {"sick": sick} if sick else ""
    return (
        _(
            "The job asks for %(count)s × %(noun)s on one node; "
            "the most on one node of %(place)s is %(healthy)s%(and_sick)s."
        )
        % {"count": device.count, "noun": _noun(device), "place": place, "healthy": healthy, "and_sick": and_sick},
        _("Ask for fewer, or choose another datacenter."),
    )


def _in_use(device: Device, place: str, of_kind: Sequence[DeviceGroup]) -> Words | None:
    fitting = [group for group in of_kind if _fits(device, group)]
    free = max(group.healthy - group.used for group in fitting)
    if free >= device.count:
        return None
    total = sum(group.healthy for group in fitting)
    used = sum(group.used for group in fitting)
    others = [group for group in of_kind if not _fits(device, group) and group.healthy > group.used]
    advice = _("Free now: %(inventory)s.") % {"inventory": _inventory(others, free=True)} if others else ""
    return (
        _("%(place)s has %(total)s × %(noun)s, and %(used)s of them are in use.")
        % {"place": _capital(place), "total": total, "noun": _noun(device), "used": used},
        (_("It starts by itself when one is free. %(advice)s") % {"advice": advice}).strip(),
    )


def _same_model(device: Device, group: DeviceGroup) -> bool:
    return device.vendor in ("", group.vendor) and device.model in ("", group.model)


def _large_enough(device: Device, group: DeviceGroup) -> bool:
    return _same_model(device, group) and (group.memory_mb or 0) >= device.memory_mb


def _fits(device: Device, group: DeviceGroup) -> bool:
    return _large_enough(device, group) and (capability(group) or 0) >= device.compute_capability


def _noun(device: Device, *, plain: bool = False) -> str:
    kind = device.kind.upper() if device.kind == "gpu" else device.kind
    if plain:
        return kind
    return device.model or (f"{device.vendor} {kind}" if device.vendor else kind)


def _inventory(groups: Iterable[DeviceGroup], *, free: bool = False) -> str:
    counts: Counter[str] = Counter()
    for group in groups:
        counts[group.model] += group.healthy - group.used if free else group.count
    return ", ".join(f"{model} ({count})" for model, count in sorted(counts.items()))


def _capital(place: str) -> str:
    return place[0].upper() + place[1:] if place.startswith("this ") else place


# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────


def _asked(ask: Ask) -> dict[str, Any]:
    asked = {"cpu_cores": ask.cpu_mhz / CORE_MHZ, "memory_mb": ask.memory_mb, "disk_mb": ask.disk_mb}
    return asked | ({"gpus": ask.device.count} if ask.device else {})


def _counters(metrics: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("NodesEvaluated", "NodesFiltered", "NodesExhausted", "NodesAvailable", "ConstraintFiltered")
    return {key: metrics[key] for key in (*keys, "DimensionExhausted", "QuotaExhausted") if metrics.get(key)}
