"""Finding assets: words, facets with counts, order, pages. Public: ``find``, ``Query``, ``Sort``, ``Page``.

The words and facet values of an asset are written when it is saved (``marketplace.apps``); ``rebuild`` does
it for all, after rows were written by other ways.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.db.models.functions import Lower
from django.utils.functional import Promise

from marketplace.models import Asset, AssetQuerySet, Facet

from . import words
from .facets import FACETS, rows_of
from .query import PAGE_SIZE, Query, Sort

__all__ = ["PAGE_SIZE", "FacetCounts", "FacetValue", "Page", "Query", "Sort", "find", "index", "rebuild", "unindex"]

# Long texts that no list shows.
UNSHOWN = ("description", "api_document", "report")

SHOWN = 8  # values of a facet that stand on the page at once

Counts = dict[str, dict[str, int]]  # facet → value → how many


@dataclass(frozen=True)
class FacetValue:
    value: str
    text: str | Promise
    count: int
    chosen: bool


@dataclass(frozen=True)
class FacetCounts:
    """One facet with the number of hits of each value, all other facets applied."""

    name: str
    label: str | Promise
    values: tuple[FacetValue, ...]

    @property
    def shown(self) -> tuple[FacetValue, ...]:
        """The frequent ones and whatever is chosen; ``more`` are the rest."""
        return tuple(value for place, value in enumerate(self.values) if place < SHOWN or value.chosen)

    @property
    def more(self) -> tuple[FacetValue, ...]:
        return tuple(value for value in self.values if value not in self.shown)


@dataclass(frozen=True)
class Page:
    query: Query
    items: tuple[Asset, ...]
    count: int  # on all pages
    facets: tuple[FacetCounts, ...]
    number: int = 1
    pages: int = 1


def find(query: Query, *, offset: int | None = None, limit: int = PAGE_SIZE) -> Page:
    """What matches: the page of the query or, with ``offset``, the next ``limit`` from there. No words make it fail."""
    counted = _counted(query)
    count = _total(query, counted)
    pages = max(1, math.ceil(count / limit))
    number = min(query.page, pages)
    start = (number - 1) * limit if offset is None else offset
    items = _ordered(_matching(query), query).defer(*UNSHOWN)[start : start + limit] if count else ()
    return Page(query, tuple(items), count, tuple(_facet_counts(query, counted)), number, pages)


def _matching(query: Query, *, without: str = "") -> AssetQuerySet:
    """The assets of a query; ``without`` leaves one facet unapplied."""
    found = Asset.objects.listed()
    if query.text:
        wanted = words.searched(query.text)
        # Nothing but signs was typed: nothing holds it.
        found = found.filter(search_text__words__beginnings=wanted) if wanted else found.none()
    for field, values in query.facets.items():
        if field != without:
            chosen = Facet.objects.filter(asset=OuterRef("pk"), field=field, value__in=values)
            found = found.filter(Exists(chosen))
    return found


def _ordered(found: AssetQuerySet, query: Query) -> AssetQuerySet:
    title = (Lower("title"), "pk")
    if query.sort is Sort.RELEVANCE and query.text:
        return found.annotate(distance=words.Distance(words.searched(query.text))).order_by("distance", *title)
    newest = {Sort.NEWEST: "created", Sort.UPDATED: "updated"}.get(query.sort)
    return found.order_by(F(newest).desc(nulls_last=True), *title) if newest else found.order_by(*title)


def _counted(query: Query) -> Counts:
    """One question for all facets that nothing was chosen of, and one for each other."""
    counted = _count(query, Facet.objects.exclude(field__in=query.facets))
    for field in query.facets:
        counted |= _count(query, Facet.objects.filter(field=field), without=field)
    return counted


def _total(query: Query, counted: Counts) -> int:
    """How many match: each asset has exactly one kind, so its counts say it."""
    kinds = counted.get("kind", {})
    chosen = query.facets.get("kind", tuple(kinds))
    return sum(kinds.get(kind, 0) for kind in chosen)


def _facet_counts(query: Query, counted: Counts) -> Iterable[FacetCounts]:
    for name, kind in FACETS.items():
        chosen = query.facets.get(name, ())
        counts = dict.fromkeys(chosen, 0) | counted.get(name, {})
        values = (
            FacetValue(value, kind.titles.get(value, value), count, value in chosen) for value, count in counts.items()
        )
        yield FacetCounts(name, kind.label, tuple(sorted(values, key=lambda value: (-value.count, str(value.text)))))


def _count(query: Query, facets: QuerySet[Facet], *, without: str = "") -> Counts:
    # Facets are kept of listed assets only: without words and choices, all count.
    if query.text or set(query.facets) - {without}:
        facets = facets.filter(asset__in=_matching(query, without=without).values("pk"))
    counted: Counts = {}
    for field, value, count in facets.order_by().values_list("field", "value").annotate(count=Count("pk")):
        counted.setdefault(field, {})[value] = count
    return counted


def index(assets: Sequence[Asset]) -> None:
    """Write what is searched of these assets."""
    with transaction.atomic():
        Facet.objects.filter(asset__in=assets).delete()
        Facet.objects.bulk_create([row for asset in assets for row in rows_of(asset)], batch_size=500)
        words.write(connection, assets)


def unindex(asset: Asset) -> None:
    words.forget(connection, asset.pk)


def rebuild(batch: int = 500) -> int:
    """Write it for all assets; how many there are."""
    keys = list(Asset.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), batch):
        index(list(Asset.objects.filter(pk__in=keys[start : start + batch])))
    return len(keys)
