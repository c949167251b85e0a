"""Addresses that pages and API give out for what people run, and where forms lead back to."""

from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from jobs.models import Deployment, TrackingAccount

MLFLOW_LABEL = "mlflow"  # not a port of the job: the gateway knows it


def endpoint_url(deployment: Deployment, label: str) -> str:
    """The endpoint's own origin (API.md, "The gateway")."""
    scheme = "https" if settings.HTTPS else "http"
    return f"{scheme}://{label}-{deployment.pk}.{settings.SERAI_APPS_HOST}/"


def door(deployment: Deployment, label: str) -> str:
    """Where a person opens an endpoint. DEEPaaS 2 has its page beside its root, which is for programs."""
    url = reverse("open-endpoint", args=[deployment.pk, label])
    return f"{url}?next=/api" if "swagger" in (deployment.api_document or {}) else url


def bearer_url(deployment: Deployment, label: str) -> str:
    """The same endpoint on the main host, for scripts with a token."""
    return f"{settings.SERAI_URL}/d/{deployment.pk}/{label}/"


def run_url(deployment: Deployment, experiment_id: str, run_id: str) -> str:
    """Where to open a run of this deployment in MLflow, which the gateway shows as an endpoint of it."""
    inside = quote(f"/#/experiments/{experiment_id}/runs/{run_id}", safe="")
    return f"{reverse('open-endpoint', args=[deployment.pk, MLFLOW_LABEL])}?next={inside}"


def known_run_url(deployment: Deployment) -> str:
    """The same for the run that is remembered; empty while none is."""
    account = TrackingAccount.objects.filter(project=deployment.project).first() if deployment.run_id else None
    return run_url(deployment, account.experiment_id, deployment.run_id) if account else ""


def next_page(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else reverse("home")
