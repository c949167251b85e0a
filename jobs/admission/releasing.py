"""Letting in whose turn it is, and telling the others where they stand. The worker does this every few seconds."""

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounts.models import Project
from datacenters.models import Datacenter
from jobs import doorbell, planning, quotas
from jobs.models import Deployment, Status
from jobs.placement import Choice
from jobs.requests import request_of

from .entering import why_no_quota
from .queue import Place, held, model_of, places_in, queue_of, resources_of
from .room import room_for


@dataclass(frozen=True)
class Stays:
    """Why one does not go yet, and whether those behind it may."""

    why: str
    lets_pass: bool = False


def release() -> int:
    """How many went. Harmless at any time, and for several workers at once."""
    released = 0
    for project in Project.objects.filter(pk__in=held().values("project"), archived=None):
        whys: dict[UUID, str] = {}
        # The queue whose oldest one waits longest comes first, since all share the project's quota.
        models = dict.fromkeys(
            model_of(resources_of(row)) for row in held().filter(project=project).order_by("held_since")
        )
        for model in models:
            released += _release_queue(project, model, whys)
        for place in places_in(project):
            _tell(place, whys.get(place.deployment.pk) or place.deployment.evidence.get("why", ""))
    return released


def _release_queue(project: Project, model: str, whys: dict[UUID, str]) -> int:
    """From its front. Who cannot go for a reason of their own lets others pass; where nothing is free, all wait."""
    released, passed = 0, set()
    for deployment in queue_of(project, model):
        if deployment.owner_id in passed:
            continue
        stays = _admit(deployment)
        if stays is None:
            released += 1
            continue
        whys[deployment.pk] = stays.why
        if not stays.lets_pass:
            break
        passed.add(deployment.owner_id)
    return released


def _admit(waiting: Deployment) -> Stays | None:
    """In one transaction, under the locks of its shares: of those who try at once, each sees what the other did."""
    with transaction.atomic():
        quotas.lock(project=waiting.project, owner=waiting.owner)
        deployment = held().select_related("project", "owner", "asset").filter(pk=waiting.pk).first()
        if deployment is None:
            return Stays("", lets_pass=True)  # it went, or was stopped, in this moment
        outlook = _outlook(deployment)
        if isinstance(outlook, Stays):
            return outlook
        place = Datacenter.objects.get(name=outlook.datacenter)
        held().filter(pk=deployment.pk).change(held_since=None, datacenter=place, reason="", advice="", evidence={})
        sentence = _("Its turn has come. It goes to %(place)s. %(why)s") % {"place": place, "why": outlook.sentence}
        deployment.record("admitted", sentence, status=Status.QUEUED)
        doorbell.ring_on_commit(doorbell.SUBMIT, deployment.pk)
    return None


def _outlook(deployment: Deployment) -> Choice | Stays:
    """Where it would start now, or why it does not go."""
    request, owner = request_of(deployment.request), deployment.owner
    if own := quotas.lacks(request.resources, owner):
        return Stays(own, lets_pass=True)
    if lacking := why_no_quota(request, deployment.project, owner):
        return Stays(lacking)
    if deployment.asset is None:
        return Stays(_("What it runs is no longer in the marketplace. Stop it."), lets_pass=True)
    plan = planning.plan_for(request, deployment.asset, owner, room_for(owner))
    if not plan.choices:
        return Stays(" ".join(error.detail for error in plan.errors), lets_pass=True)
    return plan.choices[0] if plan.choices[0].starts_now else Stays(plan.choices[0].sentence)


# ── Telling ──────────────────────────────────────────────────────────────────────────────────────
def _tell(place: Place, why: str) -> None:
    """Written when its place or the reason changes, not at each guess of a time."""
    known = place.deployment.evidence
    if (known.get("place"), known.get("of"), known.get("why", "")) == (place.number, place.of, why):
        return
    expected = place.expected.isoformat(timespec="minutes") if place.expected else None
    said = {"place": place.number, "of": place.of, "gpu_model": place.model, "expected": expected}
    evidence = {name: value for name, value in {**said, "why": why}.items() if value}
    held().filter(pk=place.deployment.pk).change(reason=sentence(place, why), evidence=evidence)


def sentence(place: Place, why: str) -> str:
    values = {"number": place.number, "of": place.of, "project": place.deployment.project, "model": place.model}
    text = (
        _("It waits in the queue of %(project)s for %(model)s, at place %(number)d of %(of)d.")
        if place.model
        else _("It waits in the queue of %(project)s, at place %(number)d of %(of)d.")
    )
    parts = [text % values, why]
    if place.expected:
        when = {"when": f"{localtime(place.expected):%F %H:%M}"}
        parts.append(_("It may start at about %(when)s UTC, as others ran so far.") % when)
    return " ".join(part for part in parts if part)
