"""What a test of a node found, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datacenters.models import Node
from datacenters.services import PACKAGE_META, capacity_of

from .job import free_gpu

NAMES: Mapping[str, str | Promise] = {
    "metadata": gettext_lazy("Metadata"),
    "drivers": gettext_lazy("Drivers"),
    "python": gettext_lazy("Python"),
    "folders": gettext_lazy("Folders"),
    "packages": gettext_lazy("Packages"),
    "container": gettext_lazy("Containers"),
    "gpu": gettext_lazy("GPU"),
    "storage": gettext_lazy("Storages"),
    "ingress": gettext_lazy("Ingress"),
    "job": gettext_lazy("The test’s job"),
}
FOLDERS_META = ("serai_packages_root", "serai_storage_root")
MOUNTS_META = ("serai_rclone", "serai_mounts_root")


@dataclass(frozen=True)
class Finding:
    """One thing that was tried. ``ok`` None: it was not tried, which the sentence explains."""

    name: str
    ok: bool | None
    sentence: str


def known(node: Node) -> Iterator[Finding]:
    """What needs no job: the node's own words."""
    yield _metadata(node)
    yield _drivers(node)
    has_gpu = any(group["kind"] == "gpu" for group in node.devices)
    if has_gpu and not free_gpu(node):
        simulated = node.datacenter.simulated_devices
        why = _("Its GPUs are simulated.") if simulated else _("All of its GPUs are in use or ill, so none was tried.")
        yield Finding("gpu", None, why)


def _metadata(node: Node) -> Finding:
    given = {name for name, value in node.meta.items() if value}
    wanted = [name for name in (*PACKAGE_META, *FOLDERS_META) if given & set(PACKAGE_META) and name not in given]
    wanted += [name for name in MOUNTS_META if given & set(MOUNTS_META) and name not in given]
    if wanted:
        return Finding("metadata", False, _("The client's configuration lacks: %s.") % ", ".join(wanted))
    if not given and "docker" not in node.drivers:
        return Finding("metadata", False, _("The client's configuration names no Python for packages (serai_python)."))
    return Finding("metadata", True, _("All that it says of itself is complete."))


def _drivers(node: Node) -> Finding:
    offers = capacity_of(node, node.datacenter)
    if not offers.offers_packages and not offers.offers_containers:
        ill = [f"{driver['name']}: {driver['description']}" for driver in node.driver_health if not driver["healthy"]]
        text = _("No driver that runs modules is healthy. %s") % "; ".join(ill)
        return Finding("drivers", False, text.strip())
    return Finding("drivers", True, _("Healthy: %s.") % ", ".join(node.drivers))


GOOD: Mapping[str, str | Promise] = {
    "python": gettext_lazy("Programs run: %s."),
    "folders": gettext_lazy("These can be written to: %s."),
    "packages": gettext_lazy("A package was installed: %s."),
    "gpu": gettext_lazy("A GPU is seen: %s."),
    "storage": gettext_lazy("Storages can be attached: %s."),
}
BAD: Mapping[str, str | Promise] = {
    "python": gettext_lazy("Programs do not run: %s."),
    "folders": gettext_lazy("A folder cannot be written to: %s."),
    "packages": gettext_lazy("A package could not be installed: %s."),
    "gpu": gettext_lazy("A GPU was given and is not seen: %s."),
    "storage": gettext_lazy("Storages cannot be attached: %s."),
}


def told(lines: Any) -> Iterator[Finding]:
    """What look.py printed; what is not its form is left out, since it came from outside."""
    for line in lines if isinstance(lines, list) else ():
        found: dict[str, Any] = line if isinstance(line, dict) else {}
        name, ok = str(found.get("name")), found.get("ok")
        if name in GOOD and isinstance(ok, bool):
            detail = str(found.get("detail") or "")[:300].rstrip(".")
            yield Finding(name, ok, str((GOOD if ok else BAD)[name]) % detail)


def ingress(answered: bool | None) -> Finding:
    if answered:
        return Finding("ingress", True, _("Serai reached a port of it."))
    if answered is None:
        return Finding("ingress", None, _("The job ended before Serai could visit it."))
    text = _("Serai could not reach the port that its job opened. Look at firewalls between them.")
    return Finding("ingress", False, text)
