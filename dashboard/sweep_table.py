"""How a sweep stands: counts for its bar, and a table of its trainings that can be sorted by what they reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.training import plain, values_of
from jobs.models import FINAL, Deployment, Status, Sweep
from jobs.tracking import TrackingRefused, TrackingUnavailable
from jobs.tracking.sweeps import runs_of_sweep

METRICS_FRESH_SECONDS = 3
LARGEST_NUMBER = 6  # of metrics; the rest is on the page of each run


@dataclass(frozen=True)
class Progress:
    """How many of a sweep's trainings are where."""

    total: int
    running: int
    completed: int
    failed: int
    stopped: int

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.stopped

    @property
    def waiting(self) -> int:
        return self.total - self.ended - self.running

    @property
    def text(self) -> str:
        return _("%(ended)d of %(total)d ended") % {"ended": self.ended, "total": self.total}

    @property
    def detail(self) -> str:
        counts = (
            (self.running, ngettext("%d runs", "%d run", self.running)),
            (self.completed, _("%d completed")),
            (self.failed, _("%d failed")),
            (self.stopped, _("%d stopped")),
            (self.waiting, ngettext("%d waits", "%d wait", self.waiting)),
        )
        return ", ".join(words % count for count, words in counts if count)


@dataclass(frozen=True)
class Row:
    """One variant; without a deployment it waits for its turn."""

    number: int
    arguments: tuple[Any, ...]
    deployment: Deployment | None
    reached: tuple[float | str | None, ...] = ()
    run_url: str = ""

    @property
    def figures(self) -> tuple[str, ...]:
        return tuple("–" if value is None else plain(value) for value in self.reached)


@dataclass(frozen=True)
class Column:
    """A metric; ``order`` is the value of aria-sort, ``next`` the order that a click asks for."""

    name: str
    order: str
    next: str


@dataclass(frozen=True)
class Table:
    arguments: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    sort: str = ""

    @property
    def columns(self) -> list[Column]:
        orders = {f"-{name}": "descending" for name in self.metrics} | dict.fromkeys(self.metrics, "ascending")
        return [
            Column(
                name,
                orders[self.sort] if self.sort.removeprefix("-") == name else "",
                name if self.sort == f"-{name}" else f"-{name}",
            )
            for name in self.metrics
        ]


def progress(sweep: Sweep) -> Progress:
    statuses = list(sweep.deployments.values_list("status", flat=True))
    counts = {status: statuses.count(status) for status in FINAL}
    never = len(sweep.variants) - len(statuses) if sweep.stopped else 0
    return Progress(
        total=len(sweep.variants),
        running=len(statuses) - sum(counts.values()),
        completed=counts[Status.COMPLETED],
        failed=counts[Status.FAILED],
        stopped=counts[Status.STOPPED] + never,
    )


def table(sweep: Sweep, sort: str = "") -> Table:
    """Sorted by a metric (``-loss``: the largest first), else in the order of the variants."""
    deployments = {row.sweep_place: row for row in sweep.deployments.filter(deleted=None).select_related("project")}
    metrics = _metrics(sweep)
    reached = {place: _reached(row, metrics) for place, row in deployments.items()}
    names = tuple(sorted({name for values in reached.values() for name in values})[:LARGEST_NUMBER])
    varied = tuple(sorted({name for variant in sweep.variants for name in variant}))
    rows = [
        Row(
            number=place + 1,
            arguments=tuple(variant.get(name) for name in varied),
            deployment=deployments.get(place),
            reached=tuple(reached.get(place, {}).get(name) for name in names),
            run_url=_run_url(deployments.get(place)),
        )
        for place, variant in enumerate(sweep.variants)
    ]
    return Table(varied, names, tuple(_sorted(rows, names, sort)), sort)


def _run_url(deployment: Deployment | None) -> str:
    return reverse("run", args=[deployment.run_id]) if deployment and deployment.run_id else ""


def _sorted(rows: list[Row], names: tuple[str, ...], sort: str) -> list[Row]:
    name = sort.removeprefix("-")
    if name not in names:
        return rows
    column = names.index(name)
    known = [row for row in rows if isinstance(row.reached[column], int | float)]
    known.sort(key=lambda row: row.reached[column], reverse=sort.startswith("-"))  # type: ignore[arg-type, return-value]
    return known + [row for row in rows if row not in known]


def _reached(deployment: Deployment, metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float | str]:
    """What it logged in MLflow; where that is not known, the plain numbers that it gave back."""
    logged = metrics.get(deployment.run_id) if deployment.run_id else None
    if logged:
        return dict(logged)
    return {name: value for name, value in values_of(deployment).items() if isinstance(value, float)}


def _metrics(sweep: Sweep) -> Mapping[str, Mapping[str, float]]:
    """The last values of each run's metrics, in one call for all; nothing while MLflow is away."""
    found: Mapping[str, Mapping[str, float]] | None = cache.get(f"sweep-metrics-{sweep.pk}")
    if found is None:
        found = _asked(sweep)
        cache.set(f"sweep-metrics-{sweep.pk}", found, METRICS_FRESH_SECONDS)
    return found


def _asked(sweep: Sweep) -> dict[str, Mapping[str, float]]:
    try:
        return {run.id: run.metrics for run in runs_of_sweep(sweep)}
    except (TrackingUnavailable, TrackingRefused):
        return {}
