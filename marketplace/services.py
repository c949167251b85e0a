"""Keeping the marketplace as its sources are: what is new, changed, broken, gone."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from celery import current_app
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from accounts.models import AuditEvent, User

from .importing import Outcome, take_over
from .models import Asset, Kind, Source, SourceKind
from .slugs import numbered, slug_of
from .sources import FINDERS, SourceError

logger = logging.getLogger(__name__)

PRESETS: tuple[dict[str, Any], ...] = (
    {
        "slug": "demo",
        "title": "Modules that come with Serai",
        "kind": SourceKind.FOLDER,
        "location": "marketplace/demo",
        "enabled": True,
    },
    {
        "slug": "ai4os-modules",
        "title": "AI4OS modules",
        "kind": SourceKind.CATALOG,
        "location": "https://github.com/ai4os-hub/modules-catalog",
        "enabled": False,
    },
    {
        "slug": "ai4os-tools",
        "title": "AI4OS tools",
        "kind": SourceKind.CATALOG,
        "location": "https://github.com/ai4os/tools-catalog",
        "asset_kind": Kind.TOOL,
        "enabled": False,
    },
)


@dataclass
class SyncResult:
    """What one look at a source came to: slugs by outcome, and those of them that need repair."""

    slugs: dict[Outcome, list[str]] = field(default_factory=lambda: {outcome: [] for outcome in Outcome})
    broken: list[str] = field(default_factory=list)
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        texts = [
            _("%d new") % len(self.slugs[Outcome.ADDED]),
            _("%d changed") % len(self.slugs[Outcome.UPDATED]),
            _("%d as before") % len(self.slugs[Outcome.UNCHANGED]),
            _("%d gone") % len(self.slugs[Outcome.GONE]),
        ]
        return ", ".join([*texts, _("to repair: %s") % ", ".join(self.broken)] if self.broken else texts)


def sync(source: Source) -> SyncResult:
    """Take over what the source has now. One bad file or repository never stops the others."""
    result, seen = SyncResult(), set()
    known = dict(source.assets.exclude(digest="").values_list("origin", "revision"))
    try:
        for found in FINDERS[source.kind](source, known):
            seen.add(found.origin)
            asset, outcome = take_over(source, found)
            result.slugs[outcome].append(asset.slug)
            if asset.is_broken:
                result.broken.append(asset.slug)
    except SourceError as problem:
        # It could not be listed to its end, so nothing is known to be gone.
        result.problem = str(problem)
    else:
        result.slugs[Outcome.GONE] = _retire(source.assets.exclude(origin__in=seen))
    Source.objects.filter(pk=source.pk).update(problem=result.problem, synced=timezone.now())
    return result


def sync_enabled(slugs: Sequence[str] = ()) -> dict[str, SyncResult]:
    """Each source that is switched on (or named), with what came of it."""
    sources = Source.objects.filter(slug__in=slugs) if slugs else Source.objects.filter(enabled=True)
    return {source.slug: sync(source) for source in sources.order_by("pk")}


def read(source: Source) -> SyncResult | None:
    """Sync what is on this machine now; ring for a repository, which may take minutes: None."""
    if source.kind in (SourceKind.FOLDER, SourceKind.BUILT_IN):
        return sync(source)
    try:
        current_app.send_task("marketplace.tasks.sync", [source.slug], ignore_result=True)
    except (OperationalError, OSError) as error:
        logger.warning("The broker does not take messages (%s).", error)
        return SyncResult(problem=_("Background work does not answer, so it was not read. Try again in a minute."))
    return None


def ensure_presets() -> None:
    """The sources that every Serai has; those that are folders of it are read, which takes no network."""
    add_presets()
    presets = [preset["slug"] for preset in PRESETS]
    for source in Source.objects.filter(slug__in=presets, enabled=True, kind=SourceKind.FOLDER):
        sync(source)


def add_presets() -> None:
    for preset in PRESETS:
        Source.objects.get_or_create(slug=preset["slug"], defaults=preset)


def add_source(*, title: str, kind: str, location: str, asset_kind: str, actor: User) -> Source:
    source = Source(title=title, kind=kind, location=location.strip(), asset_kind=asset_kind)
    source.slug = next(slug for slug in numbered(slug_of(title)) if not Source.objects.filter(slug=slug).exists())
    source.save()
    AuditEvent.record(actor, "source.added", source, location=source.location)
    return source


def switch(source: Source, *, on: bool, actor: User) -> None:
    """A source that is off has nothing in the list; what somebody runs of it stays."""
    Source.objects.filter(pk=source.pk).update(enabled=on)
    if not on:
        _retire(source.assets.all())
    AuditEvent.record(actor, "source.switched_on" if on else "source.switched_off", source)


def _retire(assets: QuerySet[Asset]) -> list[str]:
    leaving = list(assets.filter(gone=None))
    for asset in leaving:
        asset.gone = timezone.now()
        asset.save(update_fields=["gone"])
    return [asset.slug for asset in leaving]
