"""What people want of the place where their jobs go."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, User


class Favour(models.TextChoices):
    """What counts most among the datacenters that can run something."""

    FAST = "fast", _("that it starts soon")
    NEAR = "near", _("that it is near its data")
    GREEN = "green", _("that it is green")
    CHEAP = "cheap", _("that it is cheap")


class Preference(models.Model):
    """What one project or one person favours where a request does not say."""

    project = models.OneToOneField(Project, null=True, on_delete=models.CASCADE, related_name="preference")
    person = models.OneToOneField(User, null=True, on_delete=models.CASCADE, related_name="preference")
    favour = models.CharField(max_length=5, choices=Favour)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(project=None, person__isnull=False) | Q(project__isnull=False, person=None),
                name="a_preference_is_a_projects_or_a_persons",
            )
        ]

    def __str__(self) -> str:
        return f"{self.project or self.person} favours {self.favour}"
