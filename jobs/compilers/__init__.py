"""Deployment → JobSpec, one compiler a kind of asset. A job is built of what it needs; nothing is cut out after."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from django.utils.translation import gettext as _

from datacenters.jobspec import JobSpec, Runtime
from datacenters.models import Datacenter
from jobs import tools
from jobs.federation import members
from jobs.models import Deployment
from jobs.placement import needs_of, runtime_in
from jobs.tools import Tool
from marketplace.models import Asset, Kind

from . import cvat_export, datasets, script, shown, storages
from .flower import compile_client, compile_server
from .module import compile_module
from .parts import CannotCompile
from .tool import compile_tool

__all__ = ["CannotCompile", "can_compile", "compile_deployment"]

Compiled = tuple[JobSpec, Mapping[str, str]]
# By id, of those tools whose job must be computed; the file of every other one says it all.
OF_TOOLS: Mapping[str, Callable[[Deployment, Tool, Runtime], Compiled]] = {
    members.SERVER_TOOL: compile_server,
    members.CLIENT_TOOL: compile_client,
    cvat_export.ID: cvat_export.compile_export,
    script.ID: script.compile_script,
}


def can_compile(asset: Asset) -> bool:
    """Whether Serai knows how to run it; tools of other catalogs it only shows."""
    return asset.kind == Kind.MODULE or tools.tool_of(asset) is not None


def compile_deployment(deployment: Deployment) -> Compiled:
    """The job as its datacenter is told it, and the values of its secrets."""
    asset, datacenter = deployment.asset, deployment.datacenter
    if asset is None or datacenter is None or not can_compile(asset):
        raise CannotCompile(_("What it ran is no longer in the marketplace, so it cannot be started again."))
    spec, secrets = _compiled(deployment, asset, _runtime(deployment, asset, datacenter))
    spec = replace(spec, nodes=_only_on(datacenter))
    spec = shown.by_an_ingress(spec, deployment)
    return storages.attach(datasets.fetch(spec, deployment), secrets, deployment)


def _only_on(datacenter: Datacenter) -> tuple[str, ...] | None:
    """Where only machines that passed their tests take jobs: those."""
    if not datacenter.cluster.only_tested:
        return None
    passed = tuple(str(pk) for pk in datacenter.nodes.filter(passed=True).order_by("pk").values_list("pk", flat=True))
    if not passed:
        text = _("Only machines that passed their tests take jobs in %(name)s, and none has.")
        raise CannotCompile(text % {"name": datacenter})
    return passed


def _compiled(deployment: Deployment, asset: Asset, runtime: Runtime) -> Compiled:
    tool = tools.tool_of(asset)
    if tool is None:
        return compile_module(deployment, asset, runtime)
    return OF_TOOLS.get(tool.id, compile_tool)(deployment, tool, runtime)


def _runtime(deployment: Deployment, asset: Asset, datacenter: Datacenter) -> Runtime:
    runtime = runtime_in(needs_of(asset, deployment.request.get("options")), datacenter)
    if runtime is None:
        text = _("Datacenter %(name)s no longer offers what this needs to run.")
        raise CannotCompile(text % {"name": datacenter})
    return runtime
