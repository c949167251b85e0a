"""Tests of nodes as rows."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class Outcome(models.TextChoices):
    """What a test came to; a node that could not be tried keeps what its last test said."""

    WAITING = "waiting", _("waits")
    RUNNING = "running", _("is running")
    PASSED = "passed", _("passed")
    FAILED = "failed", _("failed")
    NOT_TRIED = "not-tried", _("could not be tried")


OPEN = (Outcome.WAITING, Outcome.RUNNING)


class NodeTest(models.Model):
    """One test of one node: when, by whom, and what was found."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    node = models.ForeignKey("datacenters.Node", on_delete=models.CASCADE, related_name="tests")
    asked = models.DateTimeField(default=timezone.now)
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.WAITING)
    sent = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    # Names of the jobs that still run, and whether the node answered a visitor.
    parts = models.JSONField(default=list)
    answered = models.BooleanField(null=True)
    findings = models.JSONField(default=list)  # Finding fields, one object each

    class Meta:
        ordering = ["-asked"]
        indexes = [models.Index(fields=["outcome"])]
        constraints = [
            # Whoever asks while one is open gets that one.
            models.UniqueConstraint(
                fields=["node"], condition=models.Q(outcome__in=OPEN), name="one_open_test_per_node"
            )
        ]

    def __str__(self) -> str:
        return f"{self.node}, {self.asked:%F %H:%M}"

    @property
    def is_open(self) -> bool:
        return self.outcome in OPEN
