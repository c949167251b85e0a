"""What can be found: assets, typed by kind, and the sources they come from."""

from typing import Any, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

RESOURCE_KEYS = ("cpu", "gpu", "memory_MB", "gpu_memory_MB", "gpu_compute_capability", "storage_MB")


class Kind(models.TextChoices):
    MODULE = "module", _("module")
    TOOL = "tool", _("tool")


class Condition(models.TextChoices):
    """What the validation of an asset's newest metadata file came to."""

    VALID = "valid", _("valid")
    WARNINGS = "warnings", _("valid, with remarks")
    # The newest file is broken; the last good version is shown.
    OUTDATED = "outdated", _("newest version is broken")
    NEEDS_REPAIR = "needs-repair", _("needs repair")


class SourceKind(models.TextChoices):
    FOLDER = "folder", _("folder of metadata files or modules")
    CATALOG = "catalog", _("Git repository with one submodule a module")
    REPOSITORY = "repository", _("Git repository of one module")
    BUILT_IN = "built-in", _("part of Serai")


class Source(models.Model):
    """Where assets come from. Removing one removes nothing that somebody runs."""

    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=SourceKind)
    location = models.CharField(max_length=500, help_text=_("a folder, or the URL of a Git repository"))
    asset_kind = models.CharField(max_length=12, choices=Kind, default=Kind.MODULE)
    enabled = models.BooleanField(default=True)
    synced = models.DateTimeField(null=True, editable=False)
    problem = models.TextField(blank=True, default="", editable=False)

    def __str__(self) -> str:
        return self.title


class AssetQuerySet(models.QuerySet["Asset"]):
    def listed(self) -> Self:
        return self.filter(gone=None)


class Asset(models.Model):
    """One thing in the marketplace. ``metadata`` is the last good file as read; columns are drawn from it."""

    # Unique over all sources; the id outside. From the file's name or the repository's.
    slug = models.SlugField(max_length=100, unique=True)
    kind = models.CharField(max_length=12, choices=Kind)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="assets")
    origin = models.CharField(max_length=500, help_text=_("path or URL within the source"))
    title = models.CharField(max_length=300)
    summary = models.TextField(blank=True, default="")
    description = models.TextField(blank=True, default="", help_text=_("Markdown, not to be trusted"))
    licence = models.CharField(max_length=80, blank=True, default="")
    metadata = models.JSONField(default=dict)
    created = models.DateField(null=True)
    updated = models.DateField(null=True)
    condition = models.CharField(max_length=14, choices=Condition, default=Condition.VALID)
    report = models.JSONField(default=list, help_text=_("findings: level, field, sentence"))
    digest = models.CharField(max_length=64, blank=True, default="", help_text=_("of the newest file's bytes"))
    revision = models.CharField(max_length=64, blank=True, default="", help_text=_("commit, where the source has one"))
    imported = models.DateTimeField(default=timezone.now)
    gone = models.DateTimeField(null=True, blank=True, help_text=_("no longer in its source"))

    # How it runs: an image, an installable package, both, or neither.
    docker_image = models.CharField(max_length=300, blank=True, default="")
    package = models.CharField(max_length=500, blank=True, default="", help_text=_("folder or URL for uv pip install"))
    package_digest = models.CharField(max_length=64, blank=True, default="")
    # The module's DEEPaaS document (Swagger 2.0): shipped beside the metadata, or read from a running service.
    api_document = models.JSONField(null=True, blank=True)

    objects = AssetQuerySet.as_manager()

    class Meta:
        ordering = ["title"]
        constraints = [models.UniqueConstraint(fields=["source", "origin"], name="one_asset_per_origin")]

    def __str__(self) -> str:
        return self.title

    @property
    def is_broken(self) -> bool:
        """Its newest metadata file is broken, whether or not there is a good one to show."""
        return self.condition in (Condition.OUTDATED, Condition.NEEDS_REPAIR)

    @property
    def libraries(self) -> list[str]:
        return self._texts("libraries")

    @property
    def tasks(self) -> list[str]:
        return self._texts("tasks")

    @property
    def categories(self) -> list[str]:
        return self._texts("categories")

    @property
    def data_types(self) -> list[str]:
        return self._texts("data-type")

    @property
    def tags(self) -> list[str]:
        return self._texts("tags")

    @property
    def runtimes(self) -> list[str]:
        """How it can run, in the words of ``datacenters.jobspec.Runtime``."""
        return [name for name, has in (("package", self.package), ("container", self.docker_image)) if has]

    @property
    def trainable(self) -> bool:
        return "AI4 trainable" in self.categories

    def resources(self, use: str) -> dict[str, float]:
        """What the author asks for; ``use`` is ``inference`` or ``training``. Missing or odd values are left out."""
        asked = self.metadata.get("resources")
        values = asked.get(use) if isinstance(asked, dict) else None
        if not isinstance(values, dict):
            return {}
        return {
            key: values[key]
            for key in RESOURCE_KEYS
            if isinstance(values.get(key), int | float) and not isinstance(values[key], bool) and values[key] >= 0
        }

    def _texts(self, key: str) -> list[str]:
        value: Any = self.metadata.get(key)
        values = value if isinstance(value, list) else [value]
        return list(dict.fromkeys(str(item) for item in values if item not in (None, "")))


class ModuleManager(models.Manager["Module"]):
    def get_queryset(self) -> models.QuerySet["Module"]:
        return super().get_queryset().filter(kind=Kind.MODULE)


class ToolManager(models.Manager["Tool"]):
    def get_queryset(self) -> models.QuerySet["Tool"]:
        return super().get_queryset().filter(kind=Kind.TOOL)


class Module(Asset):
    """An asset that answers DEEPaaS's API when it runs."""

    objects = ModuleManager()  # type: ignore[assignment, misc]

    class Meta:
        proxy = True


class Tool(Asset):
    """An asset that is deployed for its own pages: an IDE, CVAT, a Flower server."""

    objects = ToolManager()  # type: ignore[assignment, misc]

    class Meta:
        proxy = True


class Facet(models.Model):
    """One value of a listed asset that people filter by; written by ``search`` whenever the asset is saved."""

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="facets")
    field = models.CharField(max_length=12)
    value = models.CharField(max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asset", "field", "value"], name="one_facet_per_value")]
        indexes = [models.Index(fields=["field", "value", "asset"])]

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"


class SearchText(models.Model):
    """The words of an asset as the database's own full-text index keeps them (see ``search``).

    On SQLite this is an FTS5 table, on PostgreSQL one with a ``tsvector``: their columns of the same name
    stand for the whole text in a match.
    """

    asset = models.OneToOneField(
        Asset, primary_key=True, db_column="rowid", on_delete=models.DO_NOTHING, related_name="search_text"
    )
    words = models.TextField(db_column="marketplace_words")

    class Meta:
        managed = False
        db_table = "marketplace_words"

    def __str__(self) -> str:
        return f"words of asset {self.pk}"
