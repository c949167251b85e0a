"""What is written down of a running module: its document, and whether its predictions come back."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from datacenters.interface import Endpoint
from jobs import lifetimes
from jobs.models import Deployment, DeploymentQuerySet, Status
from marketplace.models import Asset

from . import client
from .document import DocumentUnusable, ModuleApi, Operation, parse

API_LABEL = "api"
# In a deployment's evidence as long as nobody saw a prediction come back.
SILENT_SINCE = "silent since"


def endpoint_of(deployment: Deployment) -> Endpoint | None:
    """Where its API answers: the endpoint of that name, else its first."""
    rows = sorted(deployment.endpoints, key=lambda row: row["label"] != API_LABEL)
    return Endpoint(rows[0]["label"], rows[0]["host"], int(rows[0]["port"])) if rows else None


def remember_document(deployment: Deployment) -> ModuleApi | None:
    """Fetch the document of the module that answers there, and keep it with the deployment (and with an asset that
    has none). None if it is not there or of no use; what was kept before stays."""
    endpoint = endpoint_of(deployment)
    if endpoint is None:
        return None
    try:
        document = client.fetch_document(endpoint)
        api = parse(document)
    except (client.ModuleError, DocumentUnusable):
        return None
    if api.models:
        Deployment.objects.filter(pk=deployment.pk).update(api_document=document)
        Asset.objects.filter(deployments=deployment, api_document=None).update(api_document=document)
        deployment.api_document = document
    return api if api.models else None


def api_of(deployment: Deployment) -> ModuleApi | None:
    """What the module offers, from the document kept with the deployment, else with its asset."""
    kept = deployment.api_document or (deployment.asset.api_document if deployment.asset else None)
    try:
        return parse(kept) if kept else None
    except DocumentUnusable:
        return None


def predict(
    deployment: Deployment, operation: Operation, values: Mapping[str, Any], files: Mapping[str, client.Upload]
) -> client.Answer:
    """Predict, and note on the deployment whether an answer came; raises ModuleError."""
    endpoint = endpoint_of(deployment)
    if endpoint is None:
        raise client.OutOfReach(_("It has no endpoint yet."), _("Wait until it runs."))
    try:
        answer = client.predict(endpoint, operation, values, files, time_out=settings.PREDICT_SECONDS)
    except client.Silent as silence:
        raise _explained(deployment, endpoint, silence) from silence
    except client.OutOfReach:
        raise
    except client.ModuleError:
        note_answer(deployment)  # it refused or failed, but it is not stuck
        raise
    note_answer(deployment)
    lifetimes.touch([deployment.pk])
    return answer


def note_silence(deployment: Deployment, silence: client.Silent) -> None:
    """Predictions do not come back, though its server may answer: unhealthy until one does, or until it restarts."""
    evidence = {SILENT_SINCE: timezone.now().isoformat(timespec="seconds")}
    fields = {"healthy": False, "reason": silence.sentence, "advice": silence.advice, "evidence": evidence}
    row = _same_life(deployment).filter(status=Status.RUNNING).exclude(evidence__has_key=SILENT_SINCE)
    with transaction.atomic():
        if row.change(**fields):
            deployment.record("became unhealthy", silence.sentence, status=Status.RUNNING, evidence=evidence)


def note_answer(deployment: Deployment) -> None:
    """A prediction came back."""
    row = _same_life(deployment).filter(status=Status.RUNNING, evidence__has_key=SILENT_SINCE)
    with transaction.atomic():
        if row.change(healthy=True, reason="", advice="", evidence={}):
            deployment.record("became healthy", _("Its predictions come back again."), status=Status.RUNNING)


def _explained(deployment: Deployment, endpoint: Endpoint, silence: client.Silent) -> client.Silent:
    api = api_of(deployment)
    if api and api.train and _trains(endpoint, api.train):
        return client.Silent(
            _("A training runs in it and holds up its predictions."),
            _("Wait until it ends, deploy it with two workers, or restart it, which ends the training."),
        )
    note_silence(deployment, silence)
    return silence


def _trains(endpoint: Endpoint, train: Operation) -> bool:
    try:
        return client.is_training(endpoint, train)
    except client.ModuleError:
        return False


def _same_life(deployment: Deployment) -> DeploymentQuerySet:
    return Deployment.objects.filter(pk=deployment.pk, allocation_id=deployment.allocation_id, starts=deployment.starts)
