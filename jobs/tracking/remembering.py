"""Which run of MLflow belongs to which training: written into its row as soon as MLflow tells."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from django.utils import timezone

from accounts.models import Project
from jobs.models import Deployment, DeploymentKind, DeploymentQuerySet
from jobs.tracking.client import TrackingRefused, TrackingUnavailable
from jobs.tracking.runs import PARENT_TAG, Run, search_runs
from jobs.tracking.sweeps import adopt

logger = logging.getLogger(__name__)

# MLflow may be away for a while; a training that logged nothing is not asked for ever after.
ASKED_FOR = timedelta(days=1)
CLOCKS_DIFFER_BY = timedelta(hours=1)  # at most, between a datacenter's machines and us
MANY = 1000


def without_run() -> DeploymentQuerySet:
    """The trainings whose run is not known yet, although it may be there."""
    sent = Deployment.objects.filter(kind=DeploymentKind.BATCH, run_id="", deleted=None).exclude(submitted=None)
    return sent.filter(ended=None) | sent.filter(ended__gt=timezone.now() - ASKED_FOR)


def remember_runs(only: UUID | None = None) -> None:
    """Ask once for each project; while MLflow is away nothing is lost, the next turn asks again."""
    waiting = without_run().filter(pk=only) if only else without_run()
    in_order = waiting.select_related("project", "sweep__project").order_by("project_id")
    for project, group in groupby(in_order, key=lambda training: training.project):
        try:
            _remember(project, list(group))
        except TrackingUnavailable:
            return
        except TrackingRefused as refusal:
            logger.warning("The runs of %s are not known: %s", project, refusal)


def _remember(project: Project, trainings: Sequence[Deployment]) -> None:
    oldest = min(training.submitted for training in trainings if training.submitted) - CLOCKS_DIFFER_BY
    words = f"attributes.start_time > {_milliseconds(oldest)}"
    runs = search_runs(project, words, limit=MANY)
    for training in trainings:
        run = next((run for run in runs if _is_its_run(training, run)), None)
        if run:
            same_start = Deployment.objects.filter(pk=training.pk, starts=training.starts, run_id="")
            if same_start.change(run_id=run.id) and training.sweep and training.sweep.run_id:
                adopt(training.sweep, run.id)


def _is_its_run(training: Deployment, run: Run) -> bool:
    """The newest one (as they come) that is no part of another but its sweep's, and none of a former start."""
    whole = (None, training.sweep.run_id if training.sweep else None)
    if run.deployment_id != str(training.pk) or run.tags.get(PARENT_TAG) not in whole:
        return False
    return training.starts == 1 or not (run.started and training.submitted) or run.started >= training.submitted


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
