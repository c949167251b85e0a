"""Addresses that pages and API give out for what people run."""

from urllib.parse import quote

from django.conf import settings
from django.urls import reverse

from jobs.models import Deployment

MLFLOW_LABEL = "mlflow"  # not a port of the job: the gateway knows it


def endpoint_url(deployment: Deployment, label: str) -> str:
    """The endpoint's own origin (API.md, "The gateway")."""
    scheme = "https" if settings.HTTPS else "http"
    return f"{scheme}://{label}-{deployment.pk}.{settings.SERAI_APPS_HOST}/"


def bearer_url(deployment: Deployment, label: str) -> str:
    """The same endpoint on the main host, for scripts with a token."""
    return f"{settings.SERAI_URL}/d/{deployment.pk}/{label}/"


def run_url(deployment: Deployment, experiment_id: str, run_id: str) -> str:
    """Where to open a run of this deployment in MLflow, which the gateway shows as an endpoint of it."""
    inside = quote(f"/#/experiments/{experiment_id}/runs/{run_id}", safe="")
    return f"{reverse('open-endpoint', args=[deployment.pk, MLFLOW_LABEL])}?next={inside}"
