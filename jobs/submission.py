"""From a queued row to a job in a datacenter, and from a row that must stop to a job that does.

Each step may be the last one of a worker that is killed: the row is claimed for a while by one conditional
update, and whoever finds a claim that ran out does it again. The job's id is the row's, so again changes nothing.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from datacenters.interface import Adapter, DatacenterError, JobNotFound, JobRejected, Unreachable
from datacenters.jobspec import JobSpec
from datacenters.services import adapter_for

from . import doorbell, elsewhere, foresight, news, outages, projection, services, tracking
from .compilers import CannotCompile, compile_deployment
from .models import Deployment, DeploymentQuerySet, Status
from .silences import silence

logger = logging.getLogger(__name__)

# Longer than sending takes with every time-out of its calls.
CLAIM_LASTS = timedelta(seconds=60)
# A start that breaks off that often breaks the workers that try it.
TAKEOVERS = 5
RETRY_SECONDS = (2, 5, 10, 20, 40, 60)
TELL_AGAIN = timedelta(seconds=20)


@dataclass(frozen=True)
class Claim:
    """The right to send this deployment, until it runs out."""

    deployment: Deployment
    token: UUID

    @property
    def row(self) -> DeploymentQuerySet:
        """The row, if the claim still holds."""
        return Deployment.objects.filter(pk=self.deployment.pk, claim_token=self.token)


def submit(deployment_id: UUID) -> None:
    """Send a deployment that is due; harmless for any other."""
    claimed = claim(deployment_id)
    if claimed is None:
        return
    if not claimed.deployment.wanted:
        _withdraw_instead(claimed)
    elif _takeovers(claimed.deployment) > TAKEOVERS:
        _fail(claimed, _("Sending it broke off %(count)d times. The worker's log says why.") % {"count": TAKEOVERS})
    else:
        send(claimed)


def claim(deployment_id: UUID) -> Claim | None:
    """None if it is not due, or somebody else has it: of those who try at once, one gets it."""
    before = Deployment.objects.due().filter(pk=deployment_id).values_list("status", flat=True).first()
    if before is None:
        return None
    token, now = uuid4(), timezone.now()
    won = (
        Deployment.objects.due()
        .filter(pk=deployment_id, status=before)
        .change(
            status=Status.SUBMITTING,
            status_since=now,
            claim_token=token,
            claimed_until=now + CLAIM_LASTS,
            attempts=F("attempts") + 1,
        )
    )
    if not won:
        return None
    deployment = Deployment.objects.with_parts().get(pk=deployment_id)
    if before == Status.SUBMITTING:
        deployment.record("taken over", _("The worker that was sending it ended; another one goes on."))
    return Claim(deployment, token)


def _takeovers(deployment: Deployment) -> int:
    return deployment.events.filter(verb="taken over", at__gte=deployment.asked).count()


def send(claimed: Claim) -> None:
    deployment = claimed.deployment
    tracking.prepare(deployment)
    asked = False
    try:
        spec, secrets = compile_deployment(deployment)
        assert deployment.datacenter is not None
        if away := outages.known(deployment.datacenter.cluster):
            raise away
        adapter = adapter_for(deployment.datacenter.cluster, deployment.project)
        adapter.ensure_namespace(spec.namespace)
        if _goes_where_it_starts(claimed, adapter, spec):
            return
        _forget_where_it_was(deployment)
        asked = True
        index = adapter.submit(spec, secrets)
    except Unreachable as error:
        surely_not_there = deployment.attempts == 1 and not asked
        if not (surely_not_there and elsewhere.move(claimed.row, deployment, error)):
            _put_back(claimed, error)
    except JobRejected as error:
        if elsewhere.move(claimed.row, deployment, error):
            _forget_at(adapter, deployment)
        else:
            _fail(claimed, str(error))
    except CannotCompile as error:
        _fail(claimed, str(error))
    else:
        _sent(claimed, index)


def _goes_where_it_starts(claimed: Claim, adapter: Adapter, spec: JobSpec) -> bool:
    """Whether its datacenter foresees that it would not start, and another one takes it."""
    deployment = claimed.deployment
    if deployment.attempts > 1:
        return False  # it may be there already
    reason = foresight.obstacle(adapter, spec)
    if reason is None:
        return False
    return elsewhere.move(claimed.row, deployment, reason.sentence, at_once=foresight.may_pass(reason))


def _forget_where_it_was(deployment: Deployment) -> None:
    """Its stopped job and its secrets in a cluster that it has left."""
    for cluster in elsewhere.left_behind(deployment):
        if outages.known(cluster):
            continue  # cleaning does it later
        _forget_at(adapter_for(cluster, deployment.project), deployment)


def _forget_at(adapter: Adapter, deployment: Deployment) -> None:
    """The secrets of a job that was refused after they were written."""
    with suppress(DatacenterError):
        adapter.purge(deployment.job_id, deployment.namespace)


def _sent(claimed: Claim, index: int) -> None:
    deployment, now = claimed.deployment, timezone.now()
    with transaction.atomic():
        if not claimed.row.change(claim_token=None, claimed_until=None, submitted=now, not_before=None):
            return  # taken over meanwhile; the other one sends, or sent, the same
        deployment.record("submitted", _("Sent to %(datacenter)s.") % {"datacenter": deployment.datacenter})
        # The watcher may have been quicker and know more already.
        mine = Deployment.objects.filter(pk=deployment.pk, status=Status.SUBMITTING)
        values = {"status_since": now, "job_index": Greatest(F("job_index"), index)}
        if mine.filter(wanted=True).change(status=Status.PENDING, reason="", advice="", evidence={}, **values):
            return
        mine.change(status=Status.STOPPING, **values)
        doorbell.ring_on_commit(doorbell.WITHDRAW, deployment.pk)


def _put_back(claimed: Claim, error: Unreachable) -> None:
    deployment = claimed.deployment
    again = timezone.now() + timedelta(seconds=RETRY_SECONDS[min(deployment.attempts, len(RETRY_SECONDS)) - 1])
    words = silence(error)
    with transaction.atomic():
        returned = claimed.row.change(
            status=Status.QUEUED,
            status_since=timezone.now(),
            claim_token=None,
            claimed_until=None,
            not_before=again,
            reason=str(words.not_sent) % {"datacenter": deployment.datacenter},
            advice=str(words.wait),
            evidence={"error": str(error), "attempts": deployment.attempts},
        )
        if returned and deployment.attempts == 1:
            deployment.record("put back", str(error), status=Status.QUEUED)


def _fail(claimed: Claim, reason: str) -> None:
    now = timezone.now()
    with transaction.atomic():
        if claimed.row.change(
            status=Status.FAILED, status_since=now, ended=now, claim_token=None, claimed_until=None, reason=reason
        ):
            claimed.deployment.record("refused", reason, status=Status.FAILED)


def _withdraw_instead(claimed: Claim) -> None:
    """Whoever had it before may have sent it: only the datacenter can say that it is not there."""
    claimed.row.change(
        status=Status.STOPPING, status_since=timezone.now(), claim_token=None, claimed_until=None, not_before=None
    )
    withdraw(claimed.deployment.pk)


# ── Stopping ─────────────────────────────────────────────────────────────────────────────────────
def withdraw(deployment_id: UUID) -> None:
    """Tell the datacenter to stop what must stop, and look what came of it; harmless for any other."""
    waiting = Deployment.objects.to_withdraw().filter(pk=deployment_id)
    if not waiting.change(not_before=timezone.now() + TELL_AGAIN):
        return
    deployment = Deployment.objects.with_parts().get(pk=deployment_id)
    assert deployment.datacenter is not None
    adapter = adapter_for(deployment.datacenter.cluster, deployment.project)
    try:
        if away := outages.known(deployment.datacenter.cluster):
            raise away
        adapter.stop(deployment.job_id, deployment.namespace)
        news.take(adapter, adapter.state(deployment.job_id, deployment.namespace))
    except JobNotFound:
        projection.gone(deployment.pk)
    except DatacenterError as error:
        reason = str(silence(error).not_stopped)
        Deployment.objects.filter(pk=deployment_id, status=Status.STOPPING).change(
            reason=reason % {"datacenter": deployment.datacenter}, evidence={"error": str(error)}
        )


# ── Sweeping ─────────────────────────────────────────────────────────────────────────────────────
def sweep() -> None:
    """Ring for every row that something must be done about, in case its own ring was lost."""
    for pk in Deployment.objects.due().values_list("pk", flat=True)[:50]:
        doorbell.ring(doorbell.SUBMIT, pk, expires_seconds=5)
    for pk in Deployment.objects.to_withdraw().values_list("pk", flat=True)[:50]:
        doorbell.ring(doorbell.WITHDRAW, pk, expires_seconds=5)
    give_up_waiting(timezone.now())


def give_up_waiting(now: datetime) -> None:
    """What could not start within the time that its owner allowed goes to the next best place, or stops."""
    for deployment in Deployment.objects.filter(status__in=(Status.QUEUED, Status.PENDING), wanted=True):
        allowed = deployment.request.get("max_wait_seconds")
        if allowed is None or now - elsewhere.waits_since(deployment) <= timedelta(seconds=allowed):
            continue
        if deployment.held_since or not elsewhere.leave(deployment, allowed):
            text = _("It could not start within the %(seconds)d seconds that were allowed. %(why)s")
            services.stop(deployment, None, reason=text % {"seconds": allowed, "why": deployment.reason})
