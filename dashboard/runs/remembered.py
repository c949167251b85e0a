"""What our own rows know of trainings, for the time in which MLflow does not answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from accounts.models import Project, User
from jobs.models import Deployment, DeploymentKind, Status
from jobs.tracking import ProjectRun, Run, Wanted
from jobs.tracking.finding import SEARCHED, in_order
from jobs.tracking.runs import DEPLOYMENT_TAG, MODULE_TAG, SWEEP_TAG

STATUSES = {
    Status.COMPLETED: "FINISHED",
    Status.FAILED: "FAILED",
    Status.STOPPED: "KILLED",
    Status.STOPPING: "RUNNING",
    Status.RUNNING: "RUNNING",
    Status.UNKNOWN: "RUNNING",
}


@dataclass(frozen=True)
class Remembered:
    item: ProjectRun
    deployment: Deployment


def find(user: User, projects: Iterable[Project], wanted: Wanted) -> list[Remembered]:
    """Trainings as runs: their arguments, how they ended, and the numbers that they gave back."""
    rows = _trainings(user, projects)
    narrowed = {"asset_slug": wanted.module, "pk": wanted.deployment, "sweep": wanted.sweep}
    try:
        rows = rows.filter(**{name: value for name, value in narrowed.items() if value})
    except ValidationError:  # an id that is none
        return []
    found = [Remembered(ProjectRun(row.project, as_run(row)), row) for row in rows.order_by("-created")[:SEARCHED]]
    kept = [row for row in found if wanted.has_words(row.item.run) and _has_status(row.item.run, wanted)]
    by_item = {id(row.item): row for row in kept}
    return [by_item[id(item)] for item in in_order((row.item for row in kept), wanted.order)]


def find_by_ids(user: User, projects: Iterable[Project], ids: Sequence[str]) -> list[Remembered]:
    rows = _trainings(user, projects).filter(run_id__in=[run_id for run_id in ids if run_id])
    by_id = {row.run_id: Remembered(ProjectRun(row.project, as_run(row)), row) for row in rows}
    return [by_id[run_id] for run_id in dict.fromkeys(ids) if run_id in by_id]


def as_run(training: Deployment) -> Run:
    arguments = training.request.get("arguments", {})
    tags = {DEPLOYMENT_TAG: str(training.pk), MODULE_TAG: training.asset_slug}
    if training.sweep_id:
        tags[SWEEP_TAG] = str(training.sweep_id)
    return Run(
        id=training.run_id,
        experiment_id="",
        name=training.title,
        status=STATUSES.get(Status(training.status), "SCHEDULED"),
        started=training.started or training.created,
        ended=training.ended,
        params={name: str(value) for name, value in arguments.items()},
        metrics={name: value for name, value in _numbers(training.result).items() if name not in arguments},
        tags=tags,
    )


def _trainings(user: User, projects: Iterable[Project]) -> Any:
    rows = Deployment.objects.visible_to(user).filter(kind=DeploymentKind.BATCH, project__in=list(projects))
    return rows.select_related("project", "asset", "sweep")


def _has_status(run: Run, wanted: Wanted) -> bool:
    return not wanted.status or run.status == wanted.status


def _numbers(result: Any) -> Mapping[str, float]:
    """Those that a module's ``train`` gave back; deepaas-cli wraps them."""
    for step in ("result", "output"):
        result = result.get(step) if isinstance(result, dict) else None
    if not isinstance(result, dict):
        return {}
    return {name: value for name, value in result.items() if isinstance(value, int | float) and value is not True}
