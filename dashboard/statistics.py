"""How full a datacenter was over time, for its page and for REST."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Avg, Max, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from datacenters.models import Datacenter, DatacenterSample
from datacenters.samples import AMOUNTS, HOURLY_LASTS

DAY_HOURS = 24
MOST_HOURS = HOURLY_LASTS // timedelta(hours=1)
SPANS: Mapping[str, tuple[str | Promise, int]] = {
    "day": (_("24 hours"), DAY_HOURS),
    "week": (_("7 days"), 7 * DAY_HOURS),
    "quarter": (_("90 days"), MOST_HOURS),
}


@dataclass(frozen=True)
class Line:
    """What is drawn: what of it is used, what there was (if it has an end), in words and their unit."""

    used: str
    total: str
    words: str | Promise
    unit: int = 1


LINES = (
    Line("used_cpu_cores", "cpu_cores", _("CPU cores used")),
    Line("used_memory_mb", "memory_mb", _("Memory used (GB)"), 1_000),
    Line("used_disk_mb", "disk_mb", _("Disk used (GB)"), 1_000),
    Line("used_gpus", "gpus", _("GPUs used")),
    Line("queued", "", _("Deployments that wait")),
)


@dataclass(frozen=True)
class Series:
    """One column an amount, each as long as ``times``; the older, the further apart."""

    times: list[datetime]
    columns: Mapping[str, list[float]]


@dataclass(frozen=True)
class Summary:
    """One amount in a time, in numbers: for those who see no chart."""

    name: str | Promise
    mean: float
    highest: float
    of: float  # what there was at most; 0 for what has no limit


def series(datacenter: Datacenter, hours: int) -> Series:
    rows = list(_since(datacenter, hours).order_by("at").values_list("at", *AMOUNTS))
    columns = {name: [round(row[index], 2) for row in rows] for index, name in enumerate(AMOUNTS, 1)}
    return Series([row[0] for row in rows], columns)


def summaries(datacenter: Datacenter, hours: int) -> list[Summary]:
    names = {name for line in LINES for name in (line.used, line.total) if name}
    asked = {f"{how}_{name}": kind(name) for name in names for how, kind in (("mean", Avg), ("most", Max))}
    found = _since(datacenter, hours).aggregate(**asked)
    if found["mean_cpu_cores"] is None:
        return []
    return [
        Summary(
            line.words,
            found[f"mean_{line.used}"] / line.unit,
            found[f"most_{line.used}"] / line.unit,
            found[f"most_{line.total}"] / line.unit if line.total else 0,
        )
        for line in LINES
        if line.total != "gpus" or found["most_gpus"]
    ]


def drawn(found: Series) -> list[dict[str, object]]:
    """As static/js/charts.js takes it."""

    def column(name: str, unit: int) -> list[float]:
        return [round(amount / unit, 2) for amount in found.columns.get(name, ())]

    return [
        {"title": str(line.words), "used": column(line.used, line.unit), "total": column(line.total, line.unit)}
        for line in LINES
        if line.total != "gpus" or any(found.columns["gpus"])
    ]


def _since(datacenter: Datacenter, hours: int) -> QuerySet[DatacenterSample]:
    return DatacenterSample.objects.filter(datacenter=datacenter, at__gte=timezone.now() - timedelta(hours=hours))
