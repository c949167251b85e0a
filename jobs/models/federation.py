"""Federated learning: who may take part in which federated server."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User

from .deployments import Deployment


class FederationClient(models.Model):
    """A client of one federated server (Flower's SuperNode), known there by its public key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="clients")
    # The deployment that is this client; none for one that runs outside.
    deployment = models.OneToOneField(Deployment, null=True, on_delete=models.SET_NULL, related_name="client_of")
    name = models.CharField(max_length=60)
    public_key = models.TextField()
    node_id = models.CharField(max_length=40, blank=True, default="", help_text=_("Flower's number for it"))
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(default=timezone.now, editable=False)
    revoked = models.DateTimeField(null=True)
    last_seen = models.DateTimeField(null=True)
    details = models.JSONField(default=dict, help_text=_("what the server last said of it"))

    class Meta:
        ordering = ["created"]
        constraints = [models.UniqueConstraint(fields=["server", "name"], name="one_client_per_name")]

    def __str__(self) -> str:
        return self.name
