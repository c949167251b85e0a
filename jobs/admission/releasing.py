"""Letting in whose turn it is, and telling the others where they stand. The worker does this every few seconds."""

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


def release() -> int:
    """How many went. Harmless at any time, and for several workers at once."""
    released = 0
    for project in Project.objects.filter(pk__in=held().values("project"), archived=None):
        # The queue whose oldest one waits longest comes first, since all share the project's quota.
        models = dict.fromkeys(
            model_of(resources_of(row)) for row in held().filter(project=project).order_by("held_since")
        )
        released += sum(_release_queue(project, model) for model in models)
        for place in places_in(project):
            _tell(place)
    return released


def _release_queue(project: Project, model: str) -> int:
    """From its front. A person whose own share is full lets others pass; where nothing is free, all wait."""
    released, passed = 0, set()
    for deployment in queue_of(project, model):
        if deployment.owner_id in passed:
            continue
        if _admit(deployment):
            released += 1
        elif _lacks_own_share(deployment):
            passed.add(deployment.owner_id)
        else:
            break
    return released


def _lacks_own_share(deployment: Deployment) -> bool:
    return bool(quotas.lacks(resources_of(deployment), deployment.owner))


def _admit(waiting: Deployment) -> bool:
    """In one transaction, under the locks of its shares: of those who try at once, each sees what the other did."""
    with transaction.atomic():
        quotas.lock(project=waiting.project, owner=waiting.owner)
        deployment = held().select_related("project", "owner", "asset").filter(pk=waiting.pk).first()
        choice = _choice(deployment) if deployment else None
        if deployment is None or choice is None:
            return False
        place = Datacenter.objects.get(name=choice.datacenter)
        row = held().filter(pk=deployment.pk)
        if not row.change(held_since=None, datacenter=place, reason="", advice="", evidence={}):
            return False
        sentence = _("Its turn has come. It goes to %(place)s. %(why)s") % {"place": place, "why": choice.sentence}
        deployment.record("admitted", sentence, status=Status.QUEUED)
        doorbell.ring_on_commit(doorbell.SUBMIT, deployment.pk)
    return True


def _choice(deployment: Deployment) -> Choice | None:
    """Where it would start now; also a place that does not answer, where it may only wait."""
    request, owner = request_of(deployment.request), deployment.owner
    if deployment.asset is None or why_no_quota(request, deployment.project, owner):
        return None
    choices = planning.plan_for(request, deployment.asset, owner, room_for(owner)).choices
    return choices[0] if choices and choices[0].starts_now else None


# ── Telling ──────────────────────────────────────────────────────────────────────────────────────
def _tell(place: Place) -> None:
    """Written when its place changes, not at each guess."""
    known = place.deployment.evidence
    if (known.get("place"), known.get("of")) == (place.number, place.of):
        return
    expected = place.expected.isoformat(timespec="minutes") if place.expected else None
    said = {"place": place.number, "of": place.of, "gpu_model": place.model, "expected": expected}
    why = known.get("why", "")
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
