"""The start of a deployment as a list of stages with their state, for the deployment page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from jobs.models import Deployment, DeploymentKind, Status

StageState = Literal["done", "now", "waiting", "failed"]


@dataclass(frozen=True)
class StageView:
    title: str | Promise
    state: StageState
    detail: str = ""
    at: datetime | None = None


TITLES = {
    "queued": _("Accepted"),
    "submitted": _("Sent to the datacenter"),
    "placed": _("Placed on a machine"),
    "storage": _("Storage ready"),
    "packages": _("Packages installed"),
    "datasets": _("Datasets fetched"),
    "starting": _("Program started"),
    "health": _("Endpoint answers"),
}
BEFORE_SENT = {Status.QUEUED: "queued", Status.SUBMITTING: "submitted", Status.PENDING: "placed"}


def stages_of(deployment: Deployment) -> list[StageView]:
    """Each stage in order; a failed start shows where it failed, a running one has all done."""
    shown = {"health": deployment.kind == DeploymentKind.SERVICE, "datasets": bool(deployment.request.get("datasets"))}
    names = [name for name in TITLES if shown.get(name, True)]
    reached = _reached(deployment, names)
    return list(_views(deployment, names, reached))


def _reached(deployment: Deployment, names: list[str]) -> int:
    """The index of the stage that is at work now; ``len(names)`` when all are behind."""
    if deployment.status in (Status.RUNNING, Status.COMPLETED):
        return len(names)
    # A service's program runs for a while before it answers, and may fail without ever having done so.
    silent = deployment.status in (Status.STARTING, Status.FAILED) and deployment.stage == "health"
    if deployment.started is not None and not silent:
        return len(names)
    if deployment.stage in names:
        return names.index(deployment.stage)
    return names.index(BEFORE_SENT.get(Status(deployment.status), "placed"))


def _views(deployment: Deployment, names: list[str], reached: int) -> Iterator[StageView]:
    ended = deployment.is_final
    for index, name in enumerate(names):
        if index < reached:
            yield StageView(TITLES[name], "done")
        elif index == reached:
            failed = deployment.status == Status.FAILED
            state: StageState = "failed" if failed else "waiting" if ended else "now"
            yield StageView(TITLES[name], state, deployment.stage_detail or deployment.reason, deployment.status_since)
        else:
            yield StageView(TITLES[name], "waiting")
