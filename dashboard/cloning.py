"""The form filled with what was asked for before: ``?clone=<deployment>`` or ``?sweep=<sweep>``."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from accounts.models import User
from dashboard import attachment_fields, batch_fields, lifetime_fields
from dashboard.form_bodies import ARGUMENT, OPTION, SWEPT
from dashboard.sweep_forms import GRID, LIST
from jobs import services
from jobs.models import Deployment, Sweep
from marketplace.models import Asset

Row = TypeVar("Row", bound=Model)


def values(asked: Mapping[str, str], asset: Asset, user: User) -> dict[str, Any]:
    """The first values of the form; none where the address names nothing that this person may see."""
    deployment = _named(Deployment.objects.visible_to(user).filter(asset_slug=asset.slug), asked.get("clone", ""))
    sweep = _named(Sweep.objects.visible_to(user).filter(asset_slug=asset.slug), asked.get("sweep", ""))
    original = deployment or sweep
    if original is None:
        return {}
    found = _of_request(original.request) | (_of_variants(sweep) if sweep and original is sweep else {})
    if services.why_not_change(original, user):
        del found["project"]  # whoever only looks there runs a copy of their own
    return {name: value for name, value in found.items() if value is not None}


def _named(rows: QuerySet[Row], pk: str) -> Row | None:
    try:
        return rows.filter(pk=UUID(pk)).first()
    except ValueError:
        return None


def _of_request(asked: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: asked.get(name) for name in ("title", "project", "datacenter", "prefer", "exclude")}
    found |= asked["resources"] | {"max_wait": asked.get("max_wait_seconds")}
    found |= {name: asked.get(name) for name in batch_fields.NAMES} | lifetime_fields.asked_before(asked)
    found |= {OPTION + name: value for name, value in asked.get("options", {}).items()} | attachment_fields.flat(asked)
    return found | {ARGUMENT + name: value for name, value in asked.get("arguments", {}).items()}


def _of_variants(sweep: Sweep) -> dict[str, Any]:
    """A grid where the variants are one, else the values of each argument side by side."""
    names = sorted({name for variant in sweep.variants for name in variant})
    columns = {name: [variant.get(name) for variant in sweep.variants] for name in names}
    distinct = {name: _distinct(column) for name, column in columns.items()}
    is_grid = math.prod(map(len, distinct.values())) == len(sweep.variants)
    several = {SWEPT + name: column for name, column in (distinct if is_grid else columns).items()}
    return {**several, "combine": GRID if is_grid else LIST, "at_once": sweep.at_once}


def _distinct(column: Sequence[Any]) -> list[Any]:
    return [value for index, value in enumerate(column) if value not in column[:index]]
