"""Every address of the main host. Pages live in dashboard/views, one file a room."""

from django.urls import URLPattern, URLResolver, include, path

from dashboard.api import problems
from dashboard.api.v1 import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("dashboard.views.home")),
    path("", include("dashboard.views.accounts")),
    path("", include("dashboard.views.oidc")),
    path("", include("dashboard.views.profile")),
    path("", include("dashboard.views.people")),
    path("", include("dashboard.views.projects")),
    path("", include("dashboard.views.audit")),
    path("", include("dashboard.views.health")),
    path("", include("dashboard.views.marketplace")),
    path("", include("dashboard.views.deploying")),
    path("", include("dashboard.views.deployments")),
    path("", include("dashboard.views.sweeps")),
    path("", include("dashboard.views.storage")),
    path("", include("dashboard.views.storage_files")),
    path("", include("dashboard.views.datacenters")),
    path("", include("dashboard.views.nodes")),
    path("", include("dashboard.views.statistics")),
    path("", include("dashboard.views.placing")),
    path("", include("dashboard.views.queues")),
    path("", include("dashboard.views.clusters")),
    path("", include("dashboard.views.project_tokens")),
    path("", include("dashboard.views.api_docs")),
    path("", include("dashboard.views.extending")),
    path("", include("dashboard.views.federation")),
    path("", include("dashboard.views.keepsakes")),
    path("", include("dashboard.views.opening")),
    path("", include("dashboard.views.use")),
    path("", include("dashboard.views.guide")),
    path("", include("dashboard.views.runs")),
    path("api/v1/", api.urls),
    path("api/v1/<path:route>", problems.unknown_route),
]
