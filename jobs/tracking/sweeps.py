"""A sweep's parent run in MLflow, with its trainings' runs below it. MLflow down stops nothing: it is made later."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from jobs.models import Sweep
from jobs.tracking.accounts import ensure_project, login_of
from jobs.tracking.client import TrackingRefused, TrackingUnavailable, call
from jobs.tracking.runs import DEPLOYMENT_TAG, MODULE_TAG, PARENT_TAG, SWEEP_TAG, Run, login, search_runs

logger = logging.getLogger(__name__)

# A sweep that ended while MLflow was away is told to it for so long.
TOLD_FOR = timedelta(days=1)
MANY = 1000


def tend_sweeps() -> None:
    """Make the parent runs that are missing, and close those of sweeps that ended."""
    if not (settings.MLFLOW_URL or settings.MLFLOW_PUBLIC_URL):
        return
    untold = Sweep.objects.filter(run_closed=False)
    recent = untold.filter(ended=None) | untold.filter(ended__gt=timezone.now() - TOLD_FOR)
    for sweep in recent.select_related("project"):
        try:
            _tend(sweep)
        except TrackingUnavailable:
            return
        except TrackingRefused as refusal:
            logger.warning("The runs of the sweep %s are not gathered: %s", sweep.pk, refusal)


def adopt(sweep: Sweep, run_id: str) -> None:
    """Show this run in MLflow as a part of the sweep's."""
    for key, value in ((PARENT_TAG, sweep.run_id), (SWEEP_TAG, str(sweep.pk))):
        call(login(sweep.project), "POST", "2.0/mlflow/runs/set-tag", run_id=run_id, key=key, value=value)


def runs_of_sweep(sweep: Sweep) -> list[Run]:
    """Those of its trainings, as far as MLflow knows of them."""
    words = f"tags.`{SWEEP_TAG}` = '{sweep.pk}' and tags.`{DEPLOYMENT_TAG}` != ''"  # not the one that holds them
    return search_runs(sweep.project, words, limit=MANY)


def _tend(sweep: Sweep) -> None:
    if not sweep.run_id and not _make_parent(sweep):
        return
    if sweep.ended:
        _adopt_missing(sweep)
        status = "KILLED" if sweep.stopped else "FINISHED"
        _update(sweep, status=status, end_time=int(sweep.ended.timestamp() * 1000))
        Sweep.objects.filter(pk=sweep.pk).update(run_closed=True)


def _make_parent(sweep: Sweep) -> bool:
    """False if somebody else made it at the same moment."""
    account = ensure_project(sweep.project)
    tags = {SWEEP_TAG: str(sweep.pk), MODULE_TAG: sweep.asset_slug, "serai.project": sweep.project.slug}
    made = call(
        login_of(account),
        "POST",
        "2.0/mlflow/runs/create",
        experiment_id=account.experiment_id,
        run_name=sweep.title,
        start_time=int(sweep.created.timestamp() * 1000),
        tags=[{"key": key, "value": value} for key, value in tags.items()],
    )
    run_id = made["run"]["info"]["run_id"]
    if not Sweep.objects.filter(pk=sweep.pk, run_id="").update(run_id=run_id):
        call(login_of(account), "POST", "2.0/mlflow/runs/delete", run_id=run_id)
        return False
    sweep.run_id = run_id
    _adopt_missing(sweep)
    return True


def _adopt_missing(sweep: Sweep) -> None:
    known = {run.id for run in runs_of_sweep(sweep) if run.tags.get(PARENT_TAG) == sweep.run_id}
    for run_id in sweep.deployments.exclude(run_id="").values_list("run_id", flat=True):
        if run_id not in known:
            adopt(sweep, run_id)


def _update(sweep: Sweep, **values: Any) -> None:
    call(login(sweep.project), "POST", "2.0/mlflow/runs/update", run_id=sweep.run_id, **values)
