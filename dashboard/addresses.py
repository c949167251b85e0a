"""Addresses that pages and API give out for what people run."""

from django.conf import settings

from jobs.models import Deployment


def endpoint_url(deployment: Deployment, label: str) -> str:
    """The endpoint's own origin (API.md, "The gateway")."""
    scheme = "https" if settings.HTTPS else "http"
    return f"{scheme}://{label}-{deployment.pk}.{settings.SERAI_APPS_HOST}/"


def bearer_url(deployment: Deployment, label: str) -> str:
    """The same endpoint on the main host, for scripts with a token."""
    return f"{settings.SERAI_URL}/d/{deployment.pk}/{label}/"
