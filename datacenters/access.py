"""A token of each project's own in a cluster, which Serai shows there for that project's jobs."""

from django.db import models
from django.utils import timezone

from accounts.crypto import EncryptedTextField
from accounts.models import Project, User


class ProjectToken(models.Model):
    """A cluster's row is one region of it: so this is one token a project and region."""

    cluster = models.ForeignKey("datacenters.Cluster", on_delete=models.CASCADE, related_name="project_tokens")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    token = EncryptedTextField()
    # Nomad's public name of the token, by which it is ended when another one follows.
    accessor = models.CharField(max_length=60, blank=True, default="")
    given = models.DateTimeField(default=timezone.now)
    given_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["project__slug"]
        constraints = [models.UniqueConstraint(fields=["cluster", "project"], name="one_token_per_project_and_region")]

    def __str__(self) -> str:
        return f"{self.project} in {self.cluster}"
