"""Shares of machines."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, User


class Quota(models.Model):
    """How much one project or one person may hold at once, where that is not the site's default (empty)."""

    project = models.OneToOneField(Project, null=True, on_delete=models.CASCADE, related_name="quota")
    person = models.OneToOneField(User, null=True, on_delete=models.CASCADE, related_name="quota")
    deployments = models.PositiveIntegerField(null=True)
    cpu_cores = models.FloatField(null=True)
    memory_mb = models.PositiveIntegerField(null=True)
    gpus = models.PositiveIntegerField(null=True)
    home_mb = models.PositiveIntegerField(null=True, help_text=_("of a person: of the home of their own project"))

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(project=None, person__isnull=False) | Q(project__isnull=False, person=None),
                name="a_quota_is_a_projects_or_a_persons",
            )
        ]

    def __str__(self) -> str:
        return f"quota of {self.project or self.person}"
