"""What a datacenter says of a job, taken over into the deployment's row and history.

Several writers try this at once (watcher, worker, prober): each update is conditional on the row that it was
worked out from, and is worked out anew when that has changed. Only newer news counts.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datacenters.interface import DatacenterError, JobState, JobStatus, Stage, TaskState
from datacenters.models import Cluster

from . import doorbell, services
from .models import FINAL, Deployment, DeploymentKind, DeploymentQuerySet, Status
from .silences import silence

TRIES = 5
# What others may change while we think.
SEEN = ("status", "wanted", "healthy", "stage", "job_index", "allocation_id", "starts", "deleted")

STATUS_OF = {
    JobStatus.PENDING: Status.PENDING,
    JobStatus.STARTING: Status.STARTING,
    JobStatus.RUNNING: Status.RUNNING,
    JobStatus.STOPPING: Status.STOPPING,
    JobStatus.STOPPED: Status.STOPPED,
    JobStatus.COMPLETED: Status.COMPLETED,
    JobStatus.FAILED: Status.FAILED,
    JobStatus.UNKNOWN: Status.UNKNOWN,
}
VERBS = {
    Status.PENDING: ("waited", gettext_lazy("The datacenter took it; it waits for a place.")),
    Status.STARTING: ("placed", gettext_lazy("It has a place and is being started.")),
    Status.RUNNING: ("started", gettext_lazy("It runs.")),
    Status.STOPPING: ("was stopping", gettext_lazy("It is being stopped.")),
    Status.STOPPED: ("stopped", gettext_lazy("It was stopped.")),
    Status.COMPLETED: ("completed", gettext_lazy("It ended well.")),
    Status.FAILED: ("failed", gettext_lazy("It failed.")),
    Status.UNKNOWN: ("was lost from sight", gettext_lazy("It cannot be seen at the moment.")),
}
SEEN_AGAIN = ("was seen again", gettext_lazy("It can be seen again."))
STAGES = {
    Stage.PACKAGES: ("began fetching packages", gettext_lazy("Its packages or image are being fetched.")),
    Stage.STORAGE: ("began preparing storage", gettext_lazy("Its storage is being prepared.")),
    Stage.DATASETS: ("began fetching datasets", gettext_lazy("Its datasets are being fetched.")),
    Stage.STARTING: ("began starting", gettext_lazy("Its program is being started.")),
    Stage.HEALTH: ("launched", gettext_lazy("Its program runs; Serai waits for its first answer.")),
}


@dataclass(frozen=True)
class Happening:
    """One line of the history to be."""

    verb: str
    sentence: str
    status: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


def apply(deployment_id: UUID, state: JobState, *, result: Any = None) -> bool:
    """Take over what a datacenter says; False if it was no news."""
    for _try in range(TRIES):
        deployment = Deployment.objects.with_parts().filter(pk=deployment_id).first()
        if deployment is None or _is_old(deployment, state):
            return False
        if _starts_again(deployment, state):
            return services.begin_anew(deployment)
        if _write(deployment, _fields(deployment, state) | ({"result": result} if result is not None else {})):
            return True
    return False


def gone(deployment_id: UUID, told_by: Cluster | None = None) -> bool:
    """The datacenter does not know the job: what was to stop has; of anything else this is the end."""
    for _try in range(TRIES):
        deployment = Deployment.objects.with_parts().filter(pk=deployment_id).first()
        if deployment is None or deployment.status in FINAL | {Status.QUEUED, Status.SUBMITTING}:
            return False
        if is_elsewhere(deployment, told_by):
            return False
        if deployment.status == Status.STOPPING and deployment.wanted:
            return services.begin_anew(deployment)
        if _write(deployment, _without_job(deployment)):
            return True
    return False


def _without_job(deployment: Deployment) -> dict[str, Any]:
    if deployment.status == Status.STOPPING or not deployment.wanted:
        return _ended(deployment, Status.STOPPED, deployment.reason)
    reason = _("%(datacenter)s no longer knows this job: it was removed there, not from Serai.")
    fields = _ended(deployment, Status.FAILED, reason % {"datacenter": deployment.datacenter})
    return fields | {"advice": _("Start it again. Its log is kept as far as Serai had read it.")}


def out_of_reach(cluster: Cluster, since: datetime, error: DatacenterError | None = None) -> int:
    """Nobody knows what runs there; what is about to stop stays so, and is told as soon as it can be."""
    seen = Deployment.objects.filter(
        datacenter__cluster=cluster, status__in=(Status.PENDING, Status.STARTING, Status.RUNNING)
    )
    return sum(
        _write(deployment, _unseen(deployment, since, error)) for deployment in seen.select_related("datacenter")
    )


def is_elsewhere(deployment: Deployment, told_by: Cluster | None) -> bool:
    """Whether it has left this cluster, so that what that tells of it is its past."""
    return told_by is not None and deployment.datacenter is not None and deployment.datacenter.cluster_id != told_by.pk


# ── What is news ─────────────────────────────────────────────────────────────────────────────────
def _is_old(deployment: Deployment, state: JobState) -> bool:
    if deployment.is_final or state.index < deployment.job_index:
        return True
    if state.index == deployment.job_index and deployment.status != Status.UNKNOWN:
        return True
    if state.allocation_id and state.allocation_id == deployment.former_allocation_id:
        return True  # of the start before this one
    # Not sent yet, or just about to be: an end that is told now is that of a former start.
    return deployment.status in (Status.QUEUED, Status.SUBMITTING) and state.status is JobStatus.STOPPED


def _starts_again(deployment: Deployment, state: JobState) -> bool:
    ended = STATUS_OF[state.status] in FINAL
    return ended and deployment.status == Status.STOPPING and deployment.wanted and deployment.deleted is None


# ── What the row is to say ───────────────────────────────────────────────────────────────────────
def _fields(deployment: Deployment, state: JobState) -> dict[str, Any]:
    status = _status(deployment, state)
    if status in FINAL:
        words = _ended(deployment, status, _end_reason(deployment, state, status))
        return words | _told(state) | _exit(deployment, state) | _help(state, status)
    fields: dict[str, Any] = {
        "status": status,
        **_told(state),
        **_tried(deployment, state),
        **_place(deployment, state),
    }
    if not _same_life(deployment, state):
        fields["healthy"] = None
    if state.status is JobStatus.RUNNING and deployment.started is None:
        fields |= _began(deployment, state)
    if deployment.submitted is None:
        fields["submitted"] = timezone.now()  # whoever sent it did not live to write that down
    if state.status is JobStatus.STOPPING and deployment.status != Status.STOPPING:
        return fields | {"wanted": False, "reason": _stopped_there(), "advice": "", "evidence": {}}
    return fields | _words(deployment, state, status)


def _status(deployment: Deployment, state: JobState) -> Status:
    status = STATUS_OF[state.status]
    if deployment.status == Status.STOPPING:
        return _status_of_stopping(status)
    if status not in FINAL and not deployment.wanted:
        return Status.STOPPING
    if status == Status.RUNNING and deployment.kind == DeploymentKind.SERVICE:
        answered = deployment.healthy is not None and _same_life(deployment, state)
        return Status.RUNNING if answered else Status.STARTING
    return status


def _status_of_stopping(status: Status) -> Status:
    """However it ended after it was told to: it stopped. A training may have been quicker."""
    return Status.STOPPED if status == Status.FAILED else status if status in FINAL else Status.STOPPING


def _same_life(deployment: Deployment, state: JobState) -> bool:
    return state.status is JobStatus.RUNNING and state.allocation_id == deployment.allocation_id


def _told(state: JobState) -> dict[str, Any]:
    return {"job_index": state.index, "allocation_id": state.allocation_id or ""}


def _main(state: JobState) -> TaskState | None:
    return next((task for task in state.tasks if task.name == "main"), None)


def _tried(deployment: Deployment, state: JobState) -> dict[str, Any]:
    """How often its program was tried again, where the datacenter tells."""
    main = _main(state)
    return {"restarts": main.restarts} if main and main.restarts > deployment.restarts else {}


def _exit(deployment: Deployment, state: JobState) -> dict[str, Any]:
    main = _main(state)
    code = {"exit_code": main.exit_code} if main else {}
    fields = {**code, **_tried(deployment, state)}
    # Each attempt logs a run of its own, and only the last one counts: which that is will be asked anew.
    return fields | ({"run_id": ""} if fields.get("restarts", deployment.restarts) else {})


def _began(deployment: Deployment, state: JobState) -> dict[str, Any]:
    """Since when it runs, which may be long ago when nobody looked, and until when it may."""
    now, main = timezone.now(), _main(state)
    # By the node's clock, which may be wrong: not before it was sent, and not after now.
    began = main.started if main and main.started else now
    since = min(max(began, deployment.submitted or began), now)
    allowed = deployment.request.get("max_run_seconds") if deployment.kind == DeploymentKind.BATCH else None
    return {"started": since} | ({"deadline": since + timedelta(seconds=allowed)} if allowed else {})


def _place(deployment: Deployment, state: JobState) -> dict[str, Any]:
    healthy = bool(deployment.healthy) and _same_life(deployment, state)
    stage = _stage(deployment, state)
    return {
        "endpoints": [{**asdict(endpoint), "healthy": healthy} for endpoint in state.endpoints],
        "stage": stage,
        "stage_detail": deployment.stage_detail if stage == deployment.stage else "",
    }


def _stage(deployment: Deployment, state: JobState) -> str:
    if state.status is JobStatus.RUNNING and deployment.kind == DeploymentKind.SERVICE:
        return Stage.HEALTH
    return state.stage or ""


def _words(deployment: Deployment, state: JobState, status: Status) -> dict[str, Any]:
    if state.reason:
        return {"reason": state.reason.sentence, "advice": state.reason.advice, "evidence": dict(state.reason.evidence)}
    if _same_life(deployment, state) and deployment.status == status:
        return {}  # what the prober found stays until it finds something else
    if status == Status.STOPPING:
        return {"reason": deployment.reason}
    return {"reason": "", "advice": "", "evidence": {}}


def _end_reason(deployment: Deployment, state: JobState, status: Status) -> str:
    if status == Status.STOPPED and deployment.status == Status.STOPPING:
        return deployment.reason if not deployment.evidence.get("error") else ""
    if status == Status.STOPPED and state.status is JobStatus.STOPPED:
        return _stopped_there()
    return state.reason.sentence if state.reason else ""


def _stopped_there() -> str:
    return _("It was stopped in the datacenter, not from Serai.")


def _help(state: JobState, status: Status) -> dict[str, Any]:
    if status != Status.FAILED or state.reason is None:
        return {}
    stage = {"stage": state.stage} if state.stage else {}  # that of the task which failed
    return {"advice": state.reason.advice, "evidence": dict(state.reason.evidence), **stage}


def _ended(deployment: Deployment, status: Status, reason: str) -> dict[str, Any]:
    return {
        "status": status,
        "ended": timezone.now(),
        "reason": reason,
        "advice": "",
        "evidence": {},
        "stage": deployment.stage if status == Status.FAILED else "",  # how far it came
        "stage_detail": "",
        "healthy": None,
        "endpoints": [],
        "not_before": None,
    }


def _unseen(deployment: Deployment, since: datetime, error: DatacenterError | None) -> dict[str, Any]:
    words = silence(error)
    values = {"datacenter": deployment.datacenter, "since": f"{localtime(since):%H:%M}"}
    return {
        "status": Status.UNKNOWN,
        "status_since": since,
        "reason": str(words.unseen) % values,
        "advice": str(words.goes_on),
        "evidence": {"since": since.isoformat(), **({"error": str(error)} if error else {})},
    }


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────
def _write(deployment: Deployment, fields: dict[str, Any]) -> bool:
    """Write row and history, if the row still is what this was worked out from."""
    if fields["status"] != deployment.status:
        fields.setdefault("status_since", timezone.now())
    with transaction.atomic():
        if not _unchanged(deployment).change(**fields):
            return False
        for happening in _happenings(deployment, fields):
            deployment.record(happening.verb, happening.sentence, status=happening.status, evidence=happening.evidence)
        if fields["status"] == Status.STOPPING and deployment.status != Status.STOPPING:
            doorbell.ring_on_commit(doorbell.WITHDRAW, deployment.pk)
        if fields["status"] in FINAL and deployment.kind == DeploymentKind.BATCH:
            doorbell.ring_on_commit(doorbell.REMEMBER_RUN, deployment.pk)
        if fields["status"] in FINAL and deployment.sweep_id:
            doorbell.ring_on_commit(doorbell.ADVANCE_SWEEP, deployment.sweep_id)
    return True


def _unchanged(deployment: Deployment) -> DeploymentQuerySet:
    same = Q(pk=deployment.pk)
    for name in SEEN:
        value = getattr(deployment, name)
        same &= Q(**{f"{name}__isnull": True}) if value is None else Q(**{name: value})
    return Deployment.objects.filter(same)


def _is_back(deployment: Deployment, status: Status) -> bool:
    return deployment.status == Status.UNKNOWN and status in (Status.PENDING, Status.STARTING, Status.RUNNING)


def _happenings(deployment: Deployment, fields: dict[str, Any]) -> Iterator[Happening]:
    status, stage = fields["status"], fields.get("stage", deployment.stage)
    if fields.get("restarts", 0) > deployment.restarts and status not in FINAL:
        yield Happening("tried again", fields.get("reason") or _("It failed and is tried again."), status)
    elif status != deployment.status:
        verb, sentence = SEEN_AGAIN if _is_back(deployment, status) else VERBS[status]
        yield Happening(verb, fields.get("reason") or str(sentence), status, fields.get("evidence") or {})
    elif status == Status.PENDING and fields.get("reason", deployment.reason) != deployment.reason:
        yield Happening("waited", fields["reason"], status, fields.get("evidence") or {})
    if status == Status.STARTING and stage != deployment.stage and stage in STAGES:
        verb, sentence = STAGES[stage]
        yield Happening(verb, str(sentence), status)
