"""Whether something goes at once or waits in the queue of its project."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import Project, User
from datacenters.jobspec import JobKind
from jobs import planning, quotas
from jobs.refusals import QuotaExceeded
from jobs.requests import DeployRequest
from marketplace.models import Asset

from .queue import held, is_anybody_before, model_of
from .room import room_for


@dataclass(frozen=True)
class Held:
    """Why it waits, for people."""

    reason: str


def hold(request: DeployRequest, asset: Asset, *, project: Project, owner: User) -> Held | None:
    """None: it goes at once. True for as long as ``quotas.lock`` holds. Raises QuotaExceeded for what may not wait:
    services, and what would not fit even if nothing else were held."""
    if request.kind is not JobKind.BATCH or not settings.QUEUE_LENGTH:
        quotas.check(request.resources, project=project, owner=owner)
        return None
    quotas.check_limits(request.resources, project=project, owner=owner)
    why = _why_not_yet(request, asset, project, owner)
    if why and held().filter(project=project).count() >= settings.QUEUE_LENGTH:
        text = _("%(count)d runs of this project wait already. Stop some of them, or wait until they have ended.")
        raise QuotaExceeded(text % {"count": settings.QUEUE_LENGTH})
    return Held(why) if why else None


def foretold(request: DeployRequest, asset: Asset, *, project: Project, owner: User) -> str:
    """What would keep it from going at once, as it stands now; empty if nothing does."""
    try:
        waits = hold(request, asset, project=project, owner=owner)
    except QuotaExceeded as excess:
        return _("It would be refused now. %(why)s") % {"why": excess}
    return _("It would wait in the queue of its project. %(why)s") % {"why": waits.reason} if waits else ""


def _why_not_yet(request: DeployRequest, asset: Asset, project: Project, owner: User) -> str:
    if is_anybody_before(project, model_of(request.resources)):
        return _("Others of this project wait before it.")
    return why_no_quota(request, project, owner) or why_no_machine(request, asset, owner)


def why_no_quota(request: DeployRequest, project: Project, owner: User) -> str:
    try:
        quotas.check(request.resources, project=project, owner=owner)
    except QuotaExceeded as excess:
        return str(excess)
    return ""


def why_no_machine(request: DeployRequest, asset: Asset, owner: User) -> str:
    """Where no place would start it now. One that does not answer is no reason: it may have room."""
    places = room_for(owner)
    silent = {place.name for place in places if not place.reachable}
    choices = planning.plan_for(request, asset, owner, places).choices
    if not choices or choices[0].starts_now or choices[0].datacenter in silent:
        return ""
    return choices[0].sentence
