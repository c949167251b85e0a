"""What is followed in MLflow: a project's account there, and several trainings of one kind."""

import uuid
from typing import Self

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.crypto import EncryptedTextField
from accounts.models import Project, Role, User
from marketplace.models import Asset


class TrackingAccount(models.Model):
    """A project's account and experiment in MLflow; written down here first, then made there."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="tracking")
    username = models.CharField(max_length=80, unique=True)
    password = EncryptedTextField()
    experiment_id = models.CharField(max_length=40, blank=True, default="")
    experiment = models.CharField(max_length=80, blank=True, default="", help_text=_("its name, once it is made"))

    def __str__(self) -> str:
        return self.username


class SweepQuerySet(models.QuerySet["Sweep"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """What the projects of this person have; of an archived one, if they manage it."""
        if not isinstance(user, User):
            return self.none()
        # One filter: in a second one the role could be somebody else's.
        readable = Q(project__archived=None) | Q(project__memberships__role=Role.MANAGER)
        return self.filter(readable, project__memberships__user=user)

    def with_parts(self) -> Self:
        return self.select_related("project", "owner", "asset")


class Sweep(models.Model):
    """One training asked for several times with other arguments; each is a deployment of its own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="sweeps")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="sweeps")
    asset = models.ForeignKey(Asset, null=True, on_delete=models.SET_NULL, related_name="sweeps")
    asset_slug = models.CharField(max_length=100)
    title = models.CharField(max_length=100)
    request = models.JSONField(help_text=_("the DeployRequest that all share, as checked and frozen"))
    variants = models.JSONField(help_text=_("one object of arguments a training, in their order"))
    at_once = models.PositiveIntegerField(default=1, help_text=_("at most so many trainings run at the same time"))
    run_id = models.CharField(max_length=64, blank=True, default="", help_text=_("its parent run in MLflow"))
    run_closed = models.BooleanField(default=False, help_text=_("MLflow was told that it ended"))
    stopped = models.DateTimeField(null=True, help_text=_("since when no further training of it starts"))
    ended = models.DateTimeField(null=True, help_text=_("since when none of it runs or waits"))
    reason = models.TextField(blank=True, default="", help_text=_("why no further training starts now"))
    created = models.DateTimeField(default=timezone.now)

    objects = SweepQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.title
