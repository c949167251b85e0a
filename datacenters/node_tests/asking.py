"""Writing down that nodes are to be tested; the watcher does the rest."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import AuditEvent, User
from datacenters.models import Node

from .models import OPEN, NodeTest


def ask(node: Node, actor: User | None) -> NodeTest:
    """The test that is open, or a new one."""
    with transaction.atomic():
        NodeTest.objects.bulk_create([NodeTest(node=node, asked_by=actor)], ignore_conflicts=True)
        AuditEvent.record(actor, "node.test-asked", node)
    return NodeTest.objects.get(node=node, outcome__in=OPEN)


def ask_due() -> int:
    """How many nodes are to be tested because their last test is too old; none where operators want none."""
    if not settings.NODE_TEST_DAYS:
        return 0
    return _ask_all(_due(timedelta(days=settings.NODE_TEST_DAYS)))


def _due(every: timedelta) -> QuerySet[Node]:
    used = Q(datacenter__enabled=True, datacenter__cluster__enabled=True)
    answers = used & Q(datacenter__cluster__unreachable_since=None)
    recent = NodeTest.objects.filter(asked__gt=timezone.now() - every).values("node")
    return Node.objects.filter(answers, ready=True).exclude(pk__in=recent)


def _ask_all(nodes: Iterable[Node]) -> int:
    return len(NodeTest.objects.bulk_create((NodeTest(node=node) for node in nodes), ignore_conflicts=True))
