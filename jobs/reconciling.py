"""What each cluster has against what we think: events make it quick, this makes it right."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from datacenters.interface import Adapter, DatacenterError, JobNotFound, JobState, JobStatus
from datacenters.models import Cluster
from datacenters.services import adapter_for

from . import news, outages, projection
from .models import FINAL, JOB_PREFIX, Deployment, Status

logger = logging.getLogger(__name__)

# A job that was registered a moment ago may be missing in a list made before.
SETTLES_IN = timedelta(seconds=30)
LIVE = frozenset({JobStatus.PENDING, JobStatus.STARTING, JobStatus.RUNNING})


def reconcile() -> None:
    for cluster in Cluster.objects.filter(enabled=True):
        if outages.known(cluster):
            continue  # the watcher compares all as soon as it answers
        try:
            reconcile_cluster(cluster)
        except DatacenterError as error:
            logger.info("%s does not answer, so it is compared later: %s", cluster, error)


def reconcile_cluster(cluster: Cluster) -> Sequence[JobState]:
    """Take over every state that the cluster has, and mend what differs; the states."""
    adapter = adapter_for(cluster)
    states = adapter.states(JOB_PREFIX)
    for state in states:
        news.take(adapter, state, cluster)
    known = {news.deployment_id_of(state.job_id) for state in states}
    _settle_missing(adapter, cluster, {pk for pk in known if pk})
    _stop_strays(adapter, cluster, states)
    return states


def _settle_missing(adapter: Adapter, cluster: Cluster, known: set[UUID]) -> None:
    believed = Deployment.objects.live().filter(datacenter__cluster=cluster, submitted__lt=timezone.now() - SETTLES_IN)
    believed = believed.exclude(status__in=(Status.QUEUED, Status.SUBMITTING)).select_related("project")
    for deployment in believed:
        if deployment.pk not in known:
            _look_once_more(adapter, deployment)


def _look_once_more(adapter: Adapter, deployment: Deployment) -> None:
    try:
        news.take(adapter, adapter.state(deployment.job_id, deployment.namespace))
    except JobNotFound:
        projection.gone(deployment.pk)


def _stop_strays(adapter: Adapter, cluster: Cluster, states: Sequence[JobState]) -> None:
    """A job goes on whose deployment has ended, or has gone elsewhere: a worker that was believed dead had sent it."""
    live = {news.deployment_id_of(state.job_id): state for state in states if state.status in LIVE}
    settled = timezone.now() - SETTLES_IN
    ours = Deployment.objects.filter(pk__in=[pk for pk in live if pk])
    elsewhere = Q(datacenter__isnull=False) & ~Q(datacenter__cluster=cluster)
    for deployment in ours.filter(Q(status__in=FINAL, ended__lt=settled) | elsewhere):
        state = live[deployment.pk]
        logger.warning("%s has ended or gone elsewhere, yet its job runs: it is stopped.", deployment.pk)
        adapter.stop(state.job_id, state.namespace)
