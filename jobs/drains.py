"""Operators take a node out, or empty it; those whose deployments are there read why in their history."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, User
from accounts.services import NotPossible
from datacenters.interface import Adapter, DatacenterError, JobNotFound, TokenRefused
from datacenters.models import Node
from datacenters.services import adapter_for

from .models import Deployment, DeploymentKind
from .news import deployment_id_of


def set_eligible(node: Node, eligible: bool, actor: User | None) -> None:
    """Whether it takes new jobs; what runs there goes on. Raises NotPossible with what stands against it."""
    if node.draining and eligible:
        raise NotPossible(_("It is being emptied. End that first."))
    with _Told(node) as adapter:
        adapter.set_eligible(str(node.pk), eligible)
    with transaction.atomic():
        _write(node, eligible=eligible, ready=eligible and node.status == "ready")
        AuditEvent.record(actor, "node.taken-in" if eligible else "node.taken-out", node)


def begin(node: Node, *, lasts: timedelta, reason: str, actor: User | None) -> int:
    """Empty it; how many deployments were told. Services go at once, batches may end by themselves for so long."""
    until = timezone.now() + lasts
    with _Told(node) as adapter:
        adapter.drain(str(node.pk), lasts)
    with transaction.atomic():
        drain = {"drain_began": timezone.now(), "drain_until": until, "drain_reason": reason}
        _write(node, draining=True, eligible=False, ready=False, **drain)
        AuditEvent.record(actor, "node.drained", node, reason=reason, until=until.isoformat(timespec="minutes"))
        return sum(_tell(deployment, node, reason, until, actor) for deployment in on(node))


def end(node: Node, actor: User | None) -> None:
    """Stop emptying it: it takes jobs again."""
    with _Told(node) as adapter:
        adapter.end_drain(str(node.pk), eligible=True)
    with transaction.atomic():
        nothing = {"drain_began": None, "drain_until": None, "drain_reason": ""}
        _write(node, draining=False, eligible=True, ready=node.status == "ready", **nothing)
        AuditEvent.record(actor, "node.drain-ended", node)
        for deployment in on(node):
            sentence = _("%(node)s is no longer being emptied: it goes on there.") % {"node": node}
            deployment.record("heard that a drain ended", sentence, actor=actor, status=deployment.status)
            Deployment.objects.filter(pk=deployment.pk).change()


def on(node: Node) -> list[Deployment]:
    """The live deployments that hold something of it."""
    ids = {pk for one in node.held if (pk := deployment_id_of(one["job_id"]))}
    return list(Deployment.objects.live().filter(pk__in=ids, datacenter=node.datacenter))


def drained_node_of(deployment: Deployment) -> Node | None:
    """The node that is being emptied with this deployment on it."""
    if deployment.is_final or deployment.datacenter_id is None or not deployment.allocation_id:
        return None
    draining = Node.objects.filter(datacenter=deployment.datacenter_id, draining=True)
    return next((node for node in draining if deployment.allocation_id in _allocations(node)), None)


def what_follows(deployment: Deployment, until: datetime | None) -> str:
    """What a drain does to it."""
    if deployment.kind == DeploymentKind.SERVICE:
        return _("It starts again on another machine, or waits for one.")
    if until is None:
        return _("It may run to its end.")
    text = _("It may run until %(until)s. What has not ended by then begins anew on another machine.")
    return text % {"until": f"{localtime(until):%F %H:%M %Z}"}


def _allocations(node: Node) -> set[str]:
    return {one["allocation_id"] for one in node.held}


def _tell(deployment: Deployment, node: Node, reason: str, until: datetime, actor: User | None) -> bool:
    sentence = _("%(node)s, the machine it runs on, is being emptied: %(reason)s.") % {"node": node, "reason": reason}
    words = f"{sentence} {what_follows(deployment, until)}"
    evidence = {"node": node.name, "until": until.isoformat(timespec="seconds")}
    deployment.record("heard of a drain", words, actor=actor, status=deployment.status, evidence=evidence)
    return bool(Deployment.objects.filter(pk=deployment.pk).change())


def _write(node: Node, **fields: object) -> None:
    Node.objects.filter(pk=node.pk).update(**fields)
    node.refresh_from_db()


class _Told:
    """The adapter of a node's cluster; what it refuses or cannot do is said to the operator."""

    def __init__(self, node: Node) -> None:
        self._adapter = adapter_for(node.datacenter.cluster)

    def __enter__(self) -> Adapter:
        return self._adapter

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, TokenRefused):
            text = _('Serai\'s token may not change nodes there. It needs node { policy = "write" } in its policy.')
            raise NotPossible(text) from error
        if isinstance(error, JobNotFound):
            raise NotPossible(_("The cluster does not know this node any more.")) from error
        if isinstance(error, DatacenterError):
            raise NotPossible(str(error)) from error
