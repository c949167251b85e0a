"""What a task gets so that it can log its runs."""

import json
import logging
from collections.abc import Mapping

from django.conf import settings

from jobs.models import Deployment
from jobs.tracking.accounts import account_of, ensure_project
from jobs.tracking.client import TrackingRefused, TrackingUnavailable
from jobs.tracking.runs import DATASETS_TAG, DEPLOYMENT_TAG, MODULE_TAG, REVISION_TAG, SWEEP_TAG

logger = logging.getLogger(__name__)

# MLflow's own patience with a server that is down is four minutes; a training must not wait for it.
IMPATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def prepare(deployment: Deployment) -> None:
    """Before a deployment is sent: have its account made. MLflow down stops nothing; it is made later then."""
    if not _address_for(deployment):
        return
    try:
        ensure_project(deployment.project)
    except (TrackingUnavailable, TrackingRefused) as problem:
        logger.warning("%s starts with an account that MLflow does not know yet: %s", deployment.pk, problem)


def environment(deployment: Deployment) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What a task needs to log its runs: plain variables, and secret ones. Empty where nothing tracks.

    From our rows alone. The login works as soon as MLflow is there, and before that harms nothing.
    """
    url = _address_for(deployment)
    if not url:
        return {}, {}
    account = account_of(deployment.project)
    plain = {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_EXPERIMENT_NAME": account.experiment or account.project.slug,
        "MLFLOW_RUN_CONTEXT": json.dumps(_tags(deployment)),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # people cannot open that address: the page has the link
        **IMPATIENCE,
    }
    secret = {"MLFLOW_TRACKING_USERNAME": account.username, "MLFLOW_TRACKING_PASSWORD": account.password}
    return plain, secret


def _tags(deployment: Deployment) -> dict[str, str]:
    """What every run of this deployment carries, whoever logs it."""
    asset = deployment.asset
    fetched = (one.get("source", "") for one in deployment.request.get("datasets", []))
    tags = {
        DEPLOYMENT_TAG: str(deployment.pk),
        MODULE_TAG: deployment.asset_slug,
        REVISION_TAG: (asset.revision or asset.package_digest or asset.docker_image) if asset else "",
        SWEEP_TAG: str(deployment.sweep_id or ""),
        DATASETS_TAG: " ".join(fetched),
    }
    return {name: value for name, value in tags.items() if value}


def _address_for(deployment: Deployment) -> str:
    """Our server listens on this machine alone: others reach it by its public address, if it has one."""
    here = deployment.datacenter is not None and deployment.datacenter.local
    return (settings.MLFLOW_URL if here else "") or settings.MLFLOW_PUBLIC_URL
