"""Another datacenter, when the one that was chosen takes nothing: for who left the choice to Serai.

Only what is known not to run there goes elsewhere: a refusal, or a silence before anything was sent. After a silence in
the middle of sending nobody knows, so that waits for an answer.
"""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from datacenters.interface import DatacenterError
from datacenters.models import Datacenter

from . import doorbell, placement, planning
from .models import Deployment, DeploymentQuerySet, Status
from .places import places_for
from .requests import request_of

MOVED = "went elsewhere"


def move(claimed: DeploymentQuerySet, deployment: Deployment, error: DatacenterError) -> bool:
    """Queue it for the next best place, and write down why; False if there is none, or it was chosen by name."""
    choice = _next(deployment)
    if choice is None:
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


def _next(deployment: Deployment) -> placement.Choice | None:
    request = request_of(deployment.request)
    if request.datacenter is not None or deployment.asset is None:
        return None
    tried = {event.evidence["from"] for event in deployment.events.filter(verb=MOVED, at__gte=deployment.asked)}
    tried |= {deployment.datacenter.name if deployment.datacenter else ""}
    places = [place for place in places_for(deployment.owner) if place.reachable and place.name not in tried]
    choices = planning.plan_for(request, deployment.asset, deployment.owner, places).choices
    return choices[0] if choices else None
