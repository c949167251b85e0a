"""One thing someone runs, and what belongs to it."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Self

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.crypto import EncryptedTextField
from accounts.models import WORKING, Project, Role, User
from datacenters.models import Datacenter
from marketplace.models import Asset

from .tracking import Sweep

JOB_PREFIX = "serai-"
# A cluster may serve others beside Serai: no project's name meets one of theirs, and a policy can name all of ours.
NAMESPACE_PREFIX = "serai-"
UNDO_LASTS = timedelta(minutes=10)


class Status(models.TextChoices):
    """Shared design, section 6."""

    QUEUED = "queued", _("queued")
    SUBMITTING = "submitting", _("submitting")
    PENDING = "pending", _("pending")
    STARTING = "starting", _("starting")
    RUNNING = "running", _("running")
    STOPPING = "stopping", _("stopping")
    STOPPED = "stopped", _("stopped")
    COMPLETED = "completed", _("completed")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("unknown")


FINAL = frozenset({Status.STOPPED, Status.COMPLETED, Status.FAILED})


class DeploymentKind(models.TextChoices):
    SERVICE = "service", _("service")
    BATCH = "batch", _("batch")


def _ripe(status: Status) -> Q:
    return Q(status=status) & (Q(not_before=None) | Q(not_before__lte=timezone.now()))


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """What this person may see; deleted ones are nobody's."""
        return self.within_reach(user).filter(deleted=None)

    def within_reach(self, user: User | AnonymousUser) -> Self:
        """What the projects of this person have, deleted or not; of an archived one, if they manage it."""
        if not isinstance(user, User):
            return self.none()
        # One filter: in a second one the role could be somebody else's.
        readable = Q(project__archived=None) | Q(project__memberships__role=Role.MANAGER)
        return self.filter(readable, project__memberships__user=user)

    def changeable_by(self, user: User) -> Self:
        return self.filter(project__in=Project.objects.of(user, *WORKING))

    def in_project(self, project: Project | None) -> Self:
        """Those of this project; None: of all but archived ones."""
        return self.filter(project=project) if project else self.filter(project__archived=None)

    def with_parts(self) -> Self:
        """With all that a page or an answer says of a deployment, in one query."""
        return self.select_related("project", "owner", "datacenter__cluster", "asset", "sweep")

    def in_lists(self) -> Self:
        """With all that a line of a list says, and without what is large or secret."""
        named = self.select_related(None).select_related("project", "owner", "datacenter")
        return named.defer("api_document", "evidence")

    def search(self, words: str) -> Self:
        return self.filter(Q(title__icontains=words) | Q(asset_slug__icontains=words)) if words else self

    def live(self) -> Self:
        """Those that a datacenter may have something of."""
        return self.exclude(status__in=FINAL)

    def holding_quota(self) -> Self:
        return self.live().filter(deleted=None, held_since=None)

    def due(self) -> Self:
        """Queued ones that wait for nobody, and those whose claim ran out with the worker that had it."""
        now = timezone.now()
        orphaned = Q(status=Status.SUBMITTING, claimed_until__lt=now)
        return self.filter(_ripe(Status.QUEUED) & Q(held_since=None) | orphaned)

    def to_withdraw(self) -> Self:
        """Those that must stop: told so again until the datacenter says that they did."""
        return self.filter(_ripe(Status.STOPPING))

    def change(self, **fields: Any) -> int:
        """One conditional update. ``updated`` moves with it: open pages listen for that."""
        return self.update(updated=timezone.now(), **fields)


class Deployment(models.Model):
    """One thing someone runs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="deployments")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="deployments")
    asset = models.ForeignKey(Asset, null=True, on_delete=models.SET_NULL, related_name="deployments")
    # Kept when the asset is gone.
    asset_slug = models.CharField(max_length=100)
    asset_kind = models.CharField(max_length=12, default="module")
    title = models.CharField(max_length=100)
    kind = models.CharField(max_length=8, choices=DeploymentKind, default=DeploymentKind.SERVICE)
    request = models.JSONField(help_text=_("the DeployRequest as checked and frozen"))

    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    status_since = models.DateTimeField(default=timezone.now)
    stage = models.CharField(max_length=10, blank=True, default="")
    stage_detail = models.CharField(max_length=200, blank=True, default="", help_text=_("progress within the stage"))
    reason = models.TextField(blank=True, default="")
    advice = models.TextField(blank=True, default="")
    evidence = models.JSONField(default=dict)
    healthy = models.BooleanField(null=True)

    datacenter = models.ForeignKey(Datacenter, null=True, on_delete=models.PROTECT, related_name="deployments")
    move_to = models.ForeignKey(
        Datacenter, null=True, on_delete=models.SET_NULL, related_name="+", help_text=_("once its stop has been seen")
    )
    held_since = models.DateTimeField(null=True, help_text=_("it waits in the queue of its project, sent to nobody"))
    allocation_id = models.CharField(max_length=36, blank=True, default="")
    # [{"label", "host", "port", "healthy"}]; where the gateway finds it.
    endpoints = models.JSONField(default=list)
    # The newest news taken over; older ones are ignored.
    job_index = models.BigIntegerField(default=0)
    wanted = models.BooleanField(default=True, help_text=_("false: somebody asked to stop it"))
    claimed_until = models.DateTimeField(null=True)
    claim_token = models.UUIDField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    starts = models.PositiveIntegerField(default=1, help_text=_("grows with each start again"))
    # The allocation of the start before this one: what is still said of it is no news.
    former_allocation_id = models.CharField(max_length=36, blank=True, default="")
    not_before = models.DateTimeField(null=True)
    submitted = models.DateTimeField(null=True)
    started = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    deleted = models.DateTimeField(null=True)
    purged = models.DateTimeField(null=True, help_text=_("deleted for good: its datacenter and its logs forgot it"))
    created = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(auto_now=True)

    # The document of the module that answers here, read once it is healthy.
    api_document = models.JSONField(null=True)
    run_id = models.CharField(max_length=64, blank=True, default="", help_text=_("its MLflow run"))
    result = models.JSONField(null=True, help_text=_("what a batch gave back"))
    exit_code = models.IntegerField(null=True, help_text=_("with which its main task ended"))
    restarts = models.PositiveIntegerField(default=0, help_text=_("how often its main task was tried again"))
    sweep = models.ForeignKey(Sweep, null=True, on_delete=models.SET_NULL, related_name="deployments")
    sweep_place = models.PositiveIntegerField(null=True, help_text=_("which of the sweep's variants it is"))

    last_active = models.DateTimeField(null=True, help_text=_("when somebody or something last used it"))
    deadline = models.DateTimeField(null=True, help_text=_("when it is stopped"))
    warned = models.DateTimeField(null=True, help_text=_("when it was said that it will stop soon"))

    objects = DeploymentQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]
        indexes = [
            models.Index(fields=["status", "not_before"]),
            models.Index(fields=["project", "-created"]),
        ]
        constraints = [models.UniqueConstraint(fields=["sweep", "sweep_place"], name="one_deployment_per_variant")]

    def __str__(self) -> str:
        return self.title

    def record(
        self,
        verb: str,
        sentence: str = "",
        *,
        actor: User | None = None,
        status: str = "",
        evidence: dict[str, Any] | None = None,
    ) -> "DeploymentEvent":
        """Add to its history what happened; ``verb`` in the past tense."""
        return self.events.create(verb=verb, sentence=sentence, actor=actor, status=status, evidence=evidence or {})

    @property
    def asked(self) -> datetime:
        """When it was last asked to start."""
        asking = self.events.filter(verb__in=("queued", "started again")).last()
        return asking.at if asking else self.created

    @property
    def job_id(self) -> str:
        return f"{JOB_PREFIX}{self.pk}"

    @property
    def namespace(self) -> str:
        return f"{NAMESPACE_PREFIX}{self.project.slug}"

    @property
    def undo_until(self) -> datetime | None:
        """Until when its deletion can be undone."""
        return self.deleted + UNDO_LASTS if self.deleted else None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


class DeploymentEvent(models.Model):
    """What happened to a deployment, in the past tense. Its id is the ``Last-Event-ID`` of streams."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    verb = models.CharField(max_length=40, help_text=_("past tense: queued, submitted, placed, became healthy"))
    sentence = models.TextField(blank=True, default="")
    status = models.CharField(max_length=10, blank=True, default="")
    evidence = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["deployment", "id"])]

    def __str__(self) -> str:
        return f"{self.at:%T} {self.verb}"


class UsageSample(models.Model):
    """What a deployment used at one moment, for its charts."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="usage")
    at = models.DateTimeField(default=timezone.now)
    cpu_cores = models.FloatField()
    memory_bytes = models.BigIntegerField()

    class Meta:
        ordering = ["at"]
        indexes = [models.Index(fields=["deployment", "at"])]

    def __str__(self) -> str:
        return f"{self.at:%T} {self.cpu_cores:.2f} cores"


class IdempotencyKey(models.Model):
    """A person's key for one request, kept 24 hours: the same again answers what it made first."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    body_digest = models.CharField(max_length=64)
    # One of both: what it made.
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.CASCADE, related_name="+")
    sweep = models.ForeignKey(Sweep, null=True, on_delete=models.CASCADE, related_name="+")
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_request_per_key")]

    def __str__(self) -> str:
        return self.key


class DeploymentSecret(models.Model):
    """A secret made for one deployment, such as the token of its own server."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=60)
    value = EncryptedTextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deployment", "name"], name="one_secret_per_name")]

    def __str__(self) -> str:
        return self.name


def as_json(value: Any) -> Any:
    """A dataclass, tuple or mapping as the JSON field keeps it."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: as_json(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value
