"""Which runs somebody asks for, and what a list of them shows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from accounts.models import Project, User
from dashboard import looks as all_looks
from dashboard.runs import looks, remembered
from dashboard.training import mlflow_words
from jobs import tracking
from jobs.models import Deployment
from jobs.tracking import BadFilter, Order, ProjectRun, Run, TrackingUnavailable, Wanted
from jobs.tracking.runs import DATASETS_TAG, MODULE_TAG, REVISION_TAG, SWEEP_TAG, VERSION_TAG

COLUMNS_AT_MOST = 4  # of parameters, and of metrics
OWN_PREFIXES = ("mlflow.", "serai.")  # tags that the page says in better words


@dataclass(frozen=True)
class Row:
    """A run with the deployment that made it, where there is one that this person may see."""

    item: ProjectRun
    deployment: Deployment | None = None

    @property
    def run(self) -> Run:
        return self.item.run

    @property
    def project(self) -> Project:
        return self.item.project

    @property
    def name(self) -> str:
        return self.run.name or self.run.id[:8] or _("without a name")

    @property
    def module(self) -> str:
        return self.run.tags.get(MODULE_TAG) or (self.deployment.asset_slug if self.deployment else "")

    @property
    def version(self) -> str:
        """The module's, as its package says, and which revision of its source that was."""
        parts = [self.run.tags.get(VERSION_TAG, ""), self.run.tags.get(REVISION_TAG, "")[:12]]
        return " · ".join(filter(None, parts))

    @property
    def sweep(self) -> str:
        """Its id; what a run says of itself may be anything."""
        known = self.deployment.sweep_id if self.deployment else None
        return str(known or uuid_of(self.run.tags.get(SWEEP_TAG, "")) or "")

    @property
    def is_sweep(self) -> bool:
        """MLflow's run that only holds the runs of a sweep together."""
        return bool(self.sweep) and not self.run.deployment_id

    @property
    def fetched(self) -> list[str]:
        """Data that Serai fetched for it and that it says nothing of itself."""
        told = {dataset.source for dataset in self.run.datasets}
        return [source for source in self.run.tags.get(DATASETS_TAG, "").split() if source not in told]

    @property
    def data(self) -> str:
        return ", ".join(dataset.name for dataset in self.run.datasets)

    @property
    def status(self) -> str:
        return looks.word(self.run.status)

    @property
    def look(self) -> all_looks.Look:
        return looks.LOOKS[self.status]

    @cached_property
    def own_tags(self) -> list[tuple[str, str]]:
        """Those that people set themselves."""
        return sorted((name, value) for name, value in self.run.tags.items() if not name.startswith(OWN_PREFIXES))


@dataclass(frozen=True)
class Listing:
    """One page of a list, and what stands above it."""

    rows: Sequence[Row] = ()
    more: bool = False
    cut: bool = False
    problem: str = ""  # why these are only what Serai itself knows
    wrong_filter: str = ""


def wanted_by(params: Mapping[str, str]) -> Wanted:
    """What an address or a request asks for. What nothing can be is left out of the search, not an error."""
    return Wanted(
        words=params.get("q", "").strip()[:200],
        filter=params.get("filter", "").strip()[:2_000],
        module=params.get("module", "").strip()[:100],
        deployment=params.get("deployment", "").strip()[:40],
        sweep=params.get("sweep", "").strip()[:40],
        status=looks.mlflow_word(params.get("status", "")),
        order=Order.parse(params.get("sort", "")),
    )


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def listing(user: User, projects: Iterable[Project], wanted: Wanted, *, limit: int, offset: int = 0) -> Listing:
    """From MLflow; while it is away, what our own rows know of trainings."""
    projects = list(projects)
    try:
        found = tracking.find(projects, wanted, limit=limit, offset=offset)
    except TrackingUnavailable as obstacle:
        rows = remembered.find(user, projects, wanted)
        problem = mlflow_words() or str(obstacle)
        return Listing(_page(rows, limit, offset), len(rows) > offset + limit, problem=problem)
    except BadFilter as wrong:
        return Listing(wrong_filter=str(wrong))
    return Listing(with_deployments(user, found.runs), found.more, found.cut)


def _page(rows: Sequence[remembered.Remembered], limit: int, offset: int) -> list[Row]:
    return [Row(row.item, row.deployment) for row in rows[offset : offset + limit]]


def with_deployments(user: User, found: Iterable[ProjectRun]) -> list[Row]:
    """One query for all of them."""
    items = list(found)
    ids = filter(None, (uuid_of(item.run.deployment_id or "") for item in items))
    rows = Deployment.objects.visible_to(user).select_related("asset", "sweep", "project").filter(pk__in=set(ids))
    deployments = {(str(row.pk), row.project_id): row for row in rows}
    # A tag is what a run says of itself: it leads to no deployment of another project.
    return [Row(item, deployments.get((item.run.deployment_id or "", item.project.pk))) for item in items]


def rows_of(user: User, projects: Iterable[Project], ids: Sequence[str]) -> tuple[list[Row], str]:
    """These runs, those of them that are there; and why they are only what Serai itself knows, if so."""
    projects = list(projects)
    try:
        return with_deployments(user, tracking.find_by_ids(projects, ids)), ""
    except TrackingUnavailable as obstacle:
        rows = [Row(row.item, row.deployment) for row in remembered.find_by_ids(user, projects, ids)]
        return rows, mlflow_words() or str(obstacle)


# ── Columns ──────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Columns:
    parameters: tuple[str, ...]
    metrics: tuple[str, ...]
    left_out: int  # more than a page has room for
    same: tuple[tuple[str, str], ...]  # parameters that all of them share


def columns_of(runs: Sequence[Run], order: Order, *, every: bool = False) -> Columns:
    """What differs is worth a column; what all share is said once."""
    told = [run for run in runs if run.params]  # a run that says nothing of itself does not differ
    parameters = _by_use(run.params for run in told)
    same = {name for name in parameters if len(told) > 1 and len({run.params.get(name) for run in told}) == 1}
    shown = [name for name in parameters if name not in same]
    metrics = _by_use(run.metrics for run in runs)
    most = None if every else COLUMNS_AT_MOST
    chosen = Columns(
        tuple(shown[:most]), tuple(metrics[:most]), 0, tuple((name, told[0].params[name]) for name in sorted(same))
    )
    chosen = _with_sorted_one(chosen, order)
    missing = {*shown, *metrics} - {*chosen.parameters, *chosen.metrics}
    return replace(chosen, left_out=len(missing))


def _with_sorted_one(columns: Columns, order: Order) -> Columns:
    """By what a list is sorted stands in it."""
    group, _dot, name = order.key.partition(".")
    if group == "metrics" and name not in columns.metrics:
        return replace(columns, metrics=(*columns.metrics, name))
    if group == "params" and name not in columns.parameters:
        return replace(columns, parameters=(*columns.parameters, name))
    return columns


def _by_use(values: Iterable[Mapping[str, object]]) -> list[str]:
    """Names, those of the most runs first."""
    counts = Counter(name for one in values for name in one if not name.startswith("system/"))
    return sorted(counts, key=lambda name: (-counts[name], name))


@dataclass(frozen=True)
class Heading:
    """Of a column: what a click on it sorts by, and how it is sorted now (aria-sort)."""

    title: str
    sort: str
    sorted: str
    is_metric: bool


def heading(key: str, now: Order, title: str) -> Heading:
    """The first click shows the largest or newest first, the next one turns it round."""
    turned = Order(key, descending=not (now.key == key and now.descending))
    state = ("descending" if now.descending else "ascending") if now.key == key else ""
    return Heading(title, str(turned), state, key.startswith("metrics."))
