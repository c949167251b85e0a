"""Where files are kept: an rclone remote that a project linked, or its home on Serai's own store."""

import uuid
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.crypto import EncryptedTextField
from accounts.models import WORKING, Project, User
from datacenters.footprints import country_code
from datacenters.models import Datacenter


class StorageKind(models.TextChoices):
    HOME = "home", _("home storage")
    WEBDAV = "webdav", _("WebDAV or Nextcloud")
    S3 = "s3", _("S3")
    SFTP = "sftp", _("SFTP")


class StorageQuerySet(models.QuerySet["Storage"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        if not isinstance(user, User):
            return self.none()
        return self.offered().filter(project__in=Project.objects.of(user))

    def usable_by(self, user: User) -> Self:
        """Those that this person may read, write and attach."""
        return self.offered().filter(project__in=Project.objects.of(user, *WORKING))

    def offered(self) -> Self:
        """Without homes where this Serai serves none."""
        return self if settings.SERAI_HOMES_URL else self.exclude(kind=StorageKind.HOME)


class Storage(models.Model):
    """A linked storage belongs to a project; a person's own ones to their personal project."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="storages")
    kind = models.CharField(max_length=8, choices=StorageKind)
    name = models.CharField(max_length=60)
    address = models.JSONField(default=dict, help_text=_("rclone's options that are no secret, as url, vendor, user"))
    secrets = EncryptedTextField(default="{}", help_text=_("rclone's secret options, as JSON; never shown again"))
    # Where its files lie, as far as somebody said so: what works on them goes near.
    datacenter = models.ForeignKey(Datacenter, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    country = models.CharField(max_length=2, blank=True, default="", validators=[country_code])
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(default=timezone.now, editable=False)
    checked = models.DateTimeField(null=True, help_text=_("when it was last asked whether it answers"))
    problem = models.TextField(blank=True, default="", help_text=_("why it did not answer then"))

    objects = StorageQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="one_storage_per_name"),
            models.UniqueConstraint(fields=["project"], condition=Q(kind="home"), name="one_home_per_project"),
        ]

    def __str__(self) -> str:
        return self.name
