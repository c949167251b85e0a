"""Deployment → JobSpec, one compiler a kind of asset. A job is built of what it needs; nothing is cut out after."""

from collections.abc import Callable, Mapping

from django.utils.translation import gettext as _

from datacenters.jobspec import JobSpec, Runtime
from datacenters.models import Datacenter
from jobs.models import Deployment
from jobs.placement import needs_of, runtime_in
from marketplace.models import Asset, Kind

from .module import compile_module

Compiled = tuple[JobSpec, Mapping[str, str]]
COMPILERS: Mapping[str, Callable[[Deployment, Asset, Runtime], Compiled]] = {Kind.MODULE: compile_module}


class CannotCompile(Exception):
    """There is no way to make a job of this; the text says why."""


def compile_deployment(deployment: Deployment) -> Compiled:
    """The job as its datacenter is told it, and the values of its secrets."""
    asset, datacenter = deployment.asset, deployment.datacenter
    if asset is None or datacenter is None:
        raise CannotCompile(_("What it ran is no longer in the marketplace, so it cannot be started again."))
    return COMPILERS[deployment.asset_kind](deployment, asset, _runtime(asset, datacenter))


def _runtime(asset: Asset, datacenter: Datacenter) -> Runtime:
    runtime = runtime_in(needs_of(asset), datacenter)
    if runtime is None:
        text = _("Datacenter %(name)s no longer offers what this needs to run.")
        raise CannotCompile(text % {"name": datacenter})
    return runtime
