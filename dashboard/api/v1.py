"""Version 1 of the REST API, put together."""

from django.conf import settings
from ninja import NinjaAPI

from dashboard.api import (
    accounts,
    audit,
    clusters,
    datacenters,
    deployments,
    federation,
    keepsakes,
    modules,
    nodes,
    people,
    placing,
    problems,
    project_tokens,
    projects,
    queues,
    runs,
    storages,
    sweeps,
    tools,
)
from dashboard.api.auth import READ
from dashboard.api.parsing import PlainJson
from dashboard.api.throttling import PerToken

LIMIT = PerToken(settings.API_RATE)

api = NinjaAPI(
    title="Serai",
    version=settings.VERSION,
    description="Find modules, deploy them to any datacenter of the federation, follow and stop them.",
    urls_namespace="api-v1",
    openapi_url="openapi.json",
    docs_url=None,  # ninja's page needs inline scripts; ours is dashboard/views/api_docs.py
    parser=PlainJson(),
    auth=READ,
    throttle=[LIMIT],
)
problems.register(api)
PARTS = (
    people,
    accounts,
    projects,
    modules,
    tools,
    deployments,
    federation,
    keepsakes,
    sweeps,
    runs,
    storages,
    datacenters,
    nodes,
    placing,
    queues,
    clusters,
    project_tokens,
    audit,
)
for part in PARTS:
    api.add_router("", part.router)
