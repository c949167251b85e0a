"""How full a datacenter was over time, for its page and for REST."""

from collections.abc import Mapping, Sequence
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
# What is drawn: what of it is used, what there was, in words.
LINES: Sequence[tuple[str, str, str | Promise]] = (
    ("used_cpu_cores", "cpu_cores", _("CPU cores used")),
    ("used_memory_mb", "memory_mb", _("Memory used (MB)")),
    ("used_disk_mb", "disk_mb", _("Disk used (MB)")),
    ("used_gpus", "gpus", _("GPUs used")),
    ("queued", "", _("Deployments that wait")),
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
    names = {name for used, total, _words in LINES for name in (used, total) if name}
    asked = {f"{how}_{name}": kind(name) for name in names for how, kind in (("mean", Avg), ("most", Max))}
    found = _since(datacenter, hours).aggregate(**asked)
    if found["mean_cpu_cores"] is None:
        return []
    return [
        Summary(words, found[f"mean_{used}"], found[f"most_{used}"], found[f"most_{total}"] if total else 0)
        for used, total, words in LINES
        if total != "gpus" or found["most_gpus"]
    ]


def _since(datacenter: Datacenter, hours: int) -> QuerySet[DatacenterSample]:
    return DatacenterSample.objects.filter(datacenter=datacenter, at__gte=timezone.now() - timedelta(hours=hours))
