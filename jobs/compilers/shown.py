"""Which ports an ingress may show by itself, and on which host."""

from dataclasses import replace

from django.conf import settings

from datacenters.jobspec import JobSpec, Port
from jobs import tools
from jobs.models import Deployment


def by_an_ingress(spec: JobSpec, deployment: Deployment) -> JobSpec:
    """As it was, where this installation has none."""
    if not settings.SERAI_INGRESS:
        return spec
    return replace(spec, ports=tuple(replace(port, host=_host(deployment, port)) for port in spec.ports))


def _host(deployment: Deployment, port: Port) -> str:
    """Empty for what has a login or a certificate of its own: these only the gateway knows and shows."""
    of_tool = tools.port_of(deployment, port.label)
    if of_tool and (of_tool.authorization or of_tool.certificate or of_tool.open):
        return ""
    return f"{port.label}-{deployment.pk}.{settings.SERAI_APPS_HOST.partition(':')[0]}"
