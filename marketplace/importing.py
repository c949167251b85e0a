"""One asset as found in a source becomes a row, and keeps its last good version when the newest is broken."""

import hashlib
import json
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from .findings import error, warning
from .metadata import title_of, understand
from .models import Asset, Condition, Source
from .slugs import numbered, slug_of
from .sources import Found
from .validation import Examined, examine

# Part of each digest: a new reader looks again at files which have not changed.
READER = "1"


class Outcome(StrEnum):
    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    GONE = "gone"


@transaction.atomic
def take_over(source: Source, found: Found) -> tuple[Asset, Outcome]:
    # One import at a time, over all sources: they share the slugs.
    list(Source.objects.select_for_update().order_by("pk").values_list("pk"))
    asset = Asset.objects.filter(source=source, origin=found.origin).first()
    if asset is None:
        asset = Asset(source=source, origin=found.origin, kind=source.asset_kind, slug=_free_slug(found.name))
        outcome = Outcome.ADDED
    elif found.unchanged or (not found.problem and asset.digest == _digest(found)):
        return _as_before(asset)
    else:
        outcome = Outcome.UPDATED
    take = _note_problem if found.problem else _take_contents
    take(asset, found)
    asset.gone = None
    asset.save()
    return asset, outcome


def _free_slug(name: str) -> str:
    wanted = slug_of(name)
    taken = set(Asset.objects.filter(slug__startswith=wanted[:40]).values_list("slug", flat=True))
    return next(slug for slug in numbered(wanted) if slug not in taken)


def _as_before(asset: Asset) -> tuple[Asset, Outcome]:
    if asset.gone:
        asset.gone = None
        asset.save(update_fields=["gone"])
    return asset, Outcome.UNCHANGED


def _note_problem(asset: Asset, found: Found) -> None:
    """Its files could not be had this time: what is known of it stays."""
    if asset._state.adding:
        asset.title, asset.condition = title_of(found.name)[:300], Condition.NEEDS_REPAIR
        asset.report = [error("", found.problem).as_json()]
    elif asset.digest:  # an empty one: said already
        sentence = _("Its newest version could not be read: %(problem)s") % {"problem": found.problem}
        asset.report = [warning("", sentence).as_json(), *asset.report]
        asset.condition = Condition.WARNINGS if asset.condition == Condition.VALID else asset.condition
    asset.digest = ""


def _take_contents(asset: Asset, found: Found) -> None:
    examined = _examined(found)
    asset.report = [finding.as_json() for finding in (*examined.findings, *found.contents.remarks)]
    if examined.broken and not asset._state.adding and asset.condition != Condition.NEEDS_REPAIR:
        asset.condition = Condition.OUTDATED
    else:
        _take_metadata(asset, examined, found)
    asset.package, asset.package_digest = found.package, found.package_digest
    asset.api_document = found.contents.api_document
    asset.revision, asset.digest, asset.imported = found.revision, _digest(found), timezone.now()


def _examined(found: Found) -> Examined:
    if found.contents.metadata is not None:
        return examine(found.contents.metadata, found.name)
    return Examined(understand({}, found.name), (error("", _("It has no file ai4-metadata.yml.")),))


def _take_metadata(asset: Asset, examined: Examined, found: Found) -> None:
    metadata = examined.metadata
    for name in ("title", "summary", "description", "docker_image", "created", "updated"):
        setattr(asset, name, getattr(metadata, name))
    asset.licence = metadata.licence or found.contents.licence
    asset.metadata = dict(metadata.document)
    asset.condition = _condition(examined, found)


def _condition(examined: Examined, found: Found) -> Condition:
    if examined.broken:
        return Condition.NEEDS_REPAIR
    return Condition.WARNINGS if examined.remarkable or found.contents.remarks else Condition.VALID


def _digest(found: Found) -> str:
    contents: dict[str, Any] = {
        "licence": found.contents.licence,
        "package": [found.package, found.package_digest],
        "api": found.contents.api_document,
        "remarks": [remark.as_json() for remark in found.contents.remarks],
    }
    read = hashlib.sha256(READER.encode())
    read.update(found.contents.metadata or b"")
    read.update(json.dumps(contents, sort_keys=True).encode())
    return read.hexdigest()
