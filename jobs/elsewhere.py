"""Another datacenter, when the one that was chosen takes nothing: for who left the choice to Serai.

Only what is known not to run there goes elsewhere: a refusal, or a silence before anything was sent. After a silence in
the middle of sending nobody knows, so that waits for an answer. What waits there for too long is stopped there first.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from datacenters.interface import DatacenterError
from datacenters.models import Cluster, Datacenter

from . import doorbell, placement, planning
from .models import Deployment, DeploymentQuerySet, Status
from .places import places_for
from .requests import request_of

MOVED = "went elsewhere"
LEFT = "left for elsewhere"


def move(
    claimed: DeploymentQuerySet, deployment: Deployment, error: DatacenterError | str, *, at_once: bool = False
) -> bool:
    """Queue it for the next best place, and write down why; False if there is none, or it was chosen by name.

    ``at_once``: only where it would start now.
    """
    choice = _next(deployment)
    if choice is None or (at_once and not choice.starts_now):
        return False
    former, place = deployment.datacenter, Datacenter.objects.get(name=choice.datacenter)
    queued = {"status": Status.QUEUED, "status_since": timezone.now(), "attempts": 0, "not_before": None}
    with transaction.atomic():
        if not claimed.change(datacenter=place, claim_token=None, claimed_until=None, reason="", advice="", **queued):
            return False
        words = {"former": former, "error": str(error), "place": place, "why": choice.sentence}
        sentence = _("%(former)s did not take it: %(error)s It goes to %(place)s instead. %(why)s") % words
        evidence = {"from": former.name if former else "", "to": place.name, "error": str(error)}
        deployment.record(MOVED, sentence, status=Status.QUEUED, evidence=evidence)
        doorbell.ring_on_commit(doorbell.SUBMIT, deployment.pk)
    return True


def leave(deployment: Deployment, waited_seconds: int) -> bool:
    """Stop it where it waited for so long; once that has been seen, it is queued for the next best place.

    False if there is none, or it was chosen by name.
    """
    choice = _next(deployment)
    if choice is None:
        return False
    place = Datacenter.objects.get(name=choice.datacenter)
    values = {"former": deployment.datacenter, "seconds": waited_seconds, "place": place, "why": choice.sentence}
    text = _("It waited %(seconds)d seconds at %(former)s. It goes to %(place)s instead. %(why)s")
    row = Deployment.objects.filter(pk=deployment.pk, wanted=True, datacenter=deployment.datacenter)
    with transaction.atomic():
        if _leave(row, place):
            deployment.record(LEFT, text % values, status=Status.STOPPING)
            doorbell.ring_on_commit(doorbell.WITHDRAW, deployment.pk)
    return True


def waits_since(deployment: Deployment) -> datetime:
    """When it was asked for, or came to where it is now."""
    came = deployment.events.filter(verb=MOVED, at__gte=deployment.asked).last()
    return came.at if came else deployment.asked


def _leave(row: DeploymentQuerySet, place: Datacenter) -> int:
    """Also what was never seen there may be there: of those that were sent, an answer may have been lost."""
    waiting = row.filter(status__in=(Status.QUEUED, Status.PENDING), move_to=None)
    return waiting.change(
        status=Status.STOPPING, status_since=timezone.now(), move_to=place, not_before=None, reason="", advice=""
    )


def arrived(deployment: Deployment) -> dict[str, object]:
    """What changes in the row of one that has been seen to have stopped and leaves for another place."""
    place = deployment.move_to
    if place is None:
        return {}
    former = deployment.datacenter
    # Another cluster counts its news anew; within one, what is older than the stop stays old.
    same = former is not None and former.cluster_id == place.cluster_id
    return {"datacenter": place, "move_to": None, **({} if same else {"job_index": 0})}


def record_arrival(deployment: Deployment) -> None:
    """``deployment`` as it was before it arrived."""
    former, place = deployment.datacenter, deployment.move_to
    assert place is not None
    evidence = {"from": former.name if former else "", "to": place.name, "error": ""}
    sentence = _("It has stopped at %(former)s and is sent to %(place)s.") % {"former": former, "place": place}
    deployment.record(MOVED, sentence, status=Status.QUEUED, evidence=evidence)


def left_behind(deployment: Deployment) -> Iterator[Cluster]:
    """Other clusters than its present one that may still have something of it."""
    # Where it was refused, nothing is left.
    names = {event.evidence["from"] for event in deployment.events.filter(verb=MOVED) if not event.evidence["error"]}
    former = Cluster.objects.filter(datacenters__name__in=names).distinct()
    yield from former.exclude(pk=deployment.datacenter.cluster_id) if deployment.datacenter else former


def _next(deployment: Deployment) -> placement.Choice | None:
    request = request_of(deployment.request)
    if request.datacenter is not None or deployment.asset is None:
        return None
    tried = {event.evidence["from"] for event in deployment.events.filter(verb=MOVED, at__gte=deployment.asked)}
    tried |= {deployment.datacenter.name if deployment.datacenter else ""}
    places = [place for place in places_for(deployment.owner) if place.reachable and place.name not in tried]
    choices = planning.plan_for(request, deployment.asset, deployment.owner, places).choices
    return choices[0] if choices else None
