"""Federated servers and clients: their files say it all but for keys, certificates and addresses."""

from collections.abc import Mapping
from dataclasses import replace

from django.conf import settings
from django.utils.translation import gettext as _

from datacenters.jobspec import JobSpec, Lifecycle, Runtime
from jobs.federation import members, places
from jobs.models import Deployment
from jobs.tools import Tool

from .parts import CannotCompile
from .tool import compile_tool

Compiled = tuple[JobSpec, Mapping[str, str]]


def compile_server(deployment: Deployment, tool: Tool, runtime: Runtime) -> Compiled:
    places.certificates_of(deployment)  # made, before the tool's secrets are read
    spec, secrets = compile_tool(deployment, tool, runtime)
    return _with_env(spec, SERAI_REPORT_URL=f"{settings.SERAI_URL}/federations/{deployment.pk}/report"), secrets


def compile_client(deployment: Deployment, tool: Tool, runtime: Runtime) -> Compiled:
    server = members.server_of(deployment)
    place = places.place_of(server, deployment.datacenter) if server else None
    if server is None or place is None:
        raise CannotCompile(_("Its federated server does not run. Start the server first, then this client."))
    row, _key = members.identity_of(deployment, server)
    if row.revoked or row.server_id != server.pk:
        raise CannotCompile(_("Its key was taken away on the page of its server. Add a new client there."))
    spec, secrets = compile_tool(deployment, tool, runtime)
    return _with_env(spec, FEDERATION_ADDRESS=place.address), {**secrets, "FLEET_CA": place.authority}


def _with_env(spec: JobSpec, **more: str) -> JobSpec:
    mains = (
        replace(task, env={**task.env, **more}) if task.lifecycle is Lifecycle.MAIN else task for task in spec.tasks
    )
    return replace(spec, tasks=tuple(mains))
