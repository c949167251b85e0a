"""Clusters, the datacenters in them, and what their nodes last said of themselves."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.crypto import EncryptedTextField
from accounts.models import Project, User

from .access import ProjectToken
from .footprints import CarbonReading, Footprint
from .node_tests.models import NodeTest
from .samples import DatacenterSample

__all__ = [
    "CarbonReading",
    "Cluster",
    "Datacenter",
    "DatacenterSample",
    "Footprint",
    "Maintenance",
    "Node",
    "NodeTest",
    "ProjectToken",
    "Sharing",
]


class Cluster(models.Model):
    """A Nomad cluster Serai talks to. The embedded local datacenter is one of these, marked ``local``."""

    name = models.SlugField(max_length=60, unique=True)
    address = models.URLField(max_length=300)
    region = models.CharField(max_length=60, default="global")
    token = EncryptedTextField(blank=True, default="")
    ca_certificate = models.TextField(blank=True, default="", help_text=_("PEM; empty: the system's authorities"))
    client_certificate = models.TextField(
        blank=True, default="", help_text=_("PEM, where the cluster wants one (mTLS)")
    )
    client_key = EncryptedTextField(blank=True, default="")
    local = models.BooleanField(default=False, editable=False)
    trusted_for_tests = models.BooleanField(
        default=False,
        help_text=_("packages may run by raw_exec, which is root on the node: test machines only"),
    )
    only_tested = models.BooleanField(
        default=False, help_text=_("only machines that passed their last test take what is deployed")
    )
    enabled = models.BooleanField(default=True)
    # What the watcher last saw.
    reached = models.DateTimeField(null=True, editable=False)
    unreachable_since = models.DateTimeField(null=True, editable=False)
    problem = models.TextField(blank=True, default="", editable=False)
    # It answers, but not to our token: nothing waits for it then.
    refuses = models.BooleanField(default=False, editable=False)
    version = models.CharField(max_length=60, blank=True, default="", editable=False)
    # What the last examination found (datacenters/clusters.py), one object a check.
    checks = models.JSONField(default=list, editable=False)
    checked = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return self.name


class Sharing(models.TextChoices):
    """Whose jobs a datacenter takes."""

    EVERYBODY = "everybody", _("everybody's")
    PROJECTS = "projects", _("only those of the projects named")


class Datacenter(models.Model):
    """A place that runs jobs: a Nomad datacenter within a cluster."""

    # Two clusters may use the same Nomad name: ours is unique, theirs is kept beside it.
    name = models.SlugField(max_length=80, unique=True)
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="datacenters")
    nomad_name = models.CharField(max_length=80)
    title = models.CharField(max_length=100, blank=True, default="")
    offers_packages = models.BooleanField(default=False)
    offers_containers = models.BooleanField(default=False)
    copies_storages = models.BooleanField(default=False, help_text=_("people's storages can be copied there and back"))
    mounts_storages = models.BooleanField(default=False, help_text=_("people's storages can be mounted there"))
    simulated_devices = models.BooleanField(default=False, help_text=_("its GPUs are made up, for tests and demos"))
    one_person = models.BooleanField(
        default=False, help_text=_("its tasks are not kept from Serai's own files: for the first administrator alone")
    )
    enabled = models.BooleanField(default=True)

    # What its operator says of it.
    place = models.CharField(max_length=100, blank=True, default="", help_text=_("for people, as “Santander, Spain”"))
    latitude = models.FloatField(null=True, blank=True, validators=[MinValueValidator(-90), MaxValueValidator(90)])
    longitude = models.FloatField(null=True, blank=True, validators=[MinValueValidator(-180), MaxValueValidator(180)])
    sharing = models.CharField(max_length=10, choices=Sharing, default=Sharing.EVERYBODY)
    projects = models.ManyToManyField(Project, blank=True, related_name="+", help_text=_("whose jobs go there first"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "nomad_name"], name="one_row_per_nomad_datacenter")]

    def __str__(self) -> str:
        return self.title or self.name

    @property
    def local(self) -> bool:
        return self.cluster.local


class Maintenance(models.Model):
    """A time in which a datacenter takes nothing new; what runs there goes on as long as its machines do."""

    datacenter = models.ForeignKey(Datacenter, on_delete=models.CASCADE, related_name="maintenances")
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    reason = models.CharField(max_length=200)
    announced_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["starts"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends__gt=models.F("starts")), name="maintenance_ends_after_it_starts"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason}, {self.starts:%F %H:%M}"


class Node(models.Model):
    """What a node last said of itself; pages read these rows and never ask Nomad."""

    id = models.UUIDField(primary_key=True)
    datacenter = models.ForeignKey(Datacenter, on_delete=models.CASCADE, related_name="nodes")
    name = models.CharField(max_length=200)
    ready = models.BooleanField(help_text=_("up, eligible and not draining"))
    status = models.CharField(max_length=20, default="ready", help_text=_("Nomad’s word for how it is"))
    eligible = models.BooleanField(default=True)
    draining = models.BooleanField(default=False)
    # Of a drain that was begun here; one that was begun in Nomad itself tells none of it.
    drain_began = models.DateTimeField(null=True)
    drain_until = models.DateTimeField(null=True)
    drain_reason = models.CharField(max_length=200, blank=True, default="")
    passed = models.BooleanField(null=True)  # its last test that could be tried; None: never
    tested = models.DateTimeField(null=True)
    version = models.CharField(max_length=60, blank=True, default="")
    drivers = models.JSONField(default=list)  # names of those that work
    driver_health = models.JSONField(default=list)  # Driver fields, one object a driver
    meta = models.JSONField(default=dict)  # what jobs of Serai may count on
    held = models.JSONField(default=list)  # Held fields, one object an allocation, of all jobs
    cpu_cores = models.PositiveIntegerField()
    cpu_mhz = models.PositiveIntegerField()
    memory_mb = models.PositiveIntegerField()
    disk_mb = models.PositiveIntegerField()
    used_cpu_mhz = models.PositiveIntegerField(default=0)
    used_memory_mb = models.PositiveIntegerField(default=0)
    used_disk_mb = models.PositiveIntegerField(default=0)
    devices = models.JSONField(default=list)  # DeviceGroup fields, one object a group
    seen = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name
