"""Forgetting what is no longer wanted, and thinning what is only needed in less detail."""

import logging
from datetime import timedelta

from django.db.models.functions import ExtractMinute, Mod
from django.utils import timezone

from datacenters.interface import DatacenterError
from datacenters.services import adapter_for

from . import archive, elsewhere, outages
from .idempotency import KEY_LASTS
from .models import FINAL, UNDO_LASTS, Deployment, IdempotencyKey, UsageSample

logger = logging.getLogger(__name__)


def clean() -> None:
    IdempotencyKey.objects.filter(created__lt=timezone.now() - KEY_LASTS).delete()
    forget_deleted()
    thin_usage()


def forget_deleted() -> None:
    """Remove what the datacenters and the disk still have of what was deleted; the row stays, for accounts."""
    due = Deployment.objects.filter(deleted__lt=timezone.now() - UNDO_LASTS, purged=None, status__in=FINAL)
    for deployment in due.select_related("project", "datacenter__cluster"):
        if deployment.datacenter and outages.known(deployment.datacenter.cluster):
            continue
        try:
            _forget(deployment)
        except DatacenterError as error:
            logger.info("%s is forgotten later: %s", deployment.pk, error)


def _forget(deployment: Deployment) -> None:
    if deployment.datacenter is not None:
        adapter = adapter_for(deployment.datacenter.cluster, deployment.project)
        adapter.purge(deployment.job_id, deployment.namespace)
    for cluster in elsewhere.left_behind(deployment):
        adapter_for(cluster, deployment.project).purge(deployment.job_id, deployment.namespace)
    archive.forget(deployment.pk)
    deployment.secrets.all().delete()
    Deployment.objects.filter(pk=deployment.pk).change(purged=timezone.now())


def thin_usage() -> None:
    """Every sample of the last hour, one a minute of the last day, one in ten minutes before."""
    now = timezone.now()
    UsageSample.objects.filter(at__lt=now - timedelta(hours=1), at__second__gte=10).delete()
    minute = Mod(ExtractMinute("at"), 10)
    UsageSample.objects.annotate(odd=minute).filter(at__lt=now - timedelta(days=1), odd__gt=0).delete()
