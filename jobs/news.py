"""What to do with a job's state as a cluster tells it: keep its logs, explain its end, take it over."""

import logging
from uuid import UUID

from datacenters.interface import Adapter, DatacenterError, JobState, JobStatus
from datacenters.models import Cluster

from . import archive, explanations, projection
from .models import JOB_PREFIX, Deployment, Status

logger = logging.getLogger(__name__)

ENDS = frozenset({JobStatus.STOPPED, JobStatus.COMPLETED, JobStatus.FAILED})


def deployment_id_of(job_id: str) -> UUID | None:
    """None for a job that is not ours."""
    try:
        return UUID(job_id.removeprefix(JOB_PREFIX)) if job_id.startswith(JOB_PREFIX) else None
    except ValueError:
        return None


def take(adapter: Adapter, state: JobState, told_by: Cluster | None = None) -> bool:
    """False if it was no news, or the job is none of ours, or none any more of the cluster that tells."""
    pk = deployment_id_of(state.job_id)
    deployment = Deployment.objects.select_related("datacenter").filter(pk=pk).first() if pk else None
    if deployment is None or deployment.is_final or projection.is_elsewhere(deployment, told_by):
        return False
    result = None
    if state.status in ENDS and state.allocation_id != deployment.former_allocation_id:
        # The reason and the result stand in the log, and the job's own copy of it may go at any time.
        keep_logs(adapter, deployment, state)
        state = explanations.explained(deployment, state)
        result = explanations.result(deployment) if state.status is JobStatus.COMPLETED else None
    return projection.apply(deployment.pk, state, result=result)


def keep_logs(adapter: Adapter, deployment: Deployment, state: JobState) -> int:
    """How many bytes were new; 0 as well if the datacenter does not give them, or our disk is full."""
    try:
        return archive.keep(adapter, deployment.pk, state)
    except (DatacenterError, OSError) as error:
        logger.warning("The log of %s could not be kept: %s", deployment.pk, error)
        return 0


def tell_progress(deployment: Deployment) -> bool:
    """Show how far its packages, storages or datasets are; False if that is known already."""
    detail = explanations.progress(deployment)
    row = Deployment.objects.filter(pk=deployment.pk, status=Status.STARTING, stage=deployment.stage)
    if not detail or not row.exclude(stage_detail=detail).change(stage_detail=detail):
        return False
    deployment.record("progressed", detail, status=Status.STARTING)
    return True
