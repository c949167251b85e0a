"""What is known of a datacenter's footprint now, from rows alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from datacenters.capacity import FootprintFigures
from datacenters.footprints import CarbonReading, CarbonSource, Footprint
from datacenters.models import Datacenter

# What is older says nothing of now.
FRESH = timedelta(hours=3)
DAY = timedelta(days=1)


def fresh_readings() -> QuerySet[CarbonReading]:
    """What ``figures_of`` needs, to be fetched beforehand."""
    return CarbonReading.objects.filter(at__gt=timezone.now() - FRESH).order_by("-at")


def figures_of(row: Datacenter) -> FootprintFigures:
    """Of a row that was fetched with its footprint and, as ``carbon``, ``fresh_readings``."""
    footprint: Footprint | None = getattr(row, "footprint", None)
    if footprint is None:
        return FootprintFigures()
    said = FootprintFigures(country=footprint.country, pue=footprint.pue, cost=footprint.cost)
    if footprint.carbon_source == CarbonSource.CONSTANT:
        return replace(said, grams_per_kwh=footprint.carbon_grams, source="operator")
    newest: CarbonReading | None = next(iter(row.carbon.all()), None)
    if footprint.carbon_source != CarbonSource.SERVICE or newest is None:
        return said
    return replace(said, grams_per_kwh=newest.grams_per_kwh, source=newest.source, measured=newest.at)


def recent(datacenter: Datacenter, *, lasts: timedelta = DAY) -> Sequence[tuple[datetime, float]]:
    """Its measurements of the last day, oldest first."""
    rows = CarbonReading.objects.filter(datacenter=datacenter, at__gt=timezone.now() - lasts)
    return list(rows.values_list("at", "grams_per_kwh"))
