"""Runs of several projects at once: each project's own account is asked, all at the same time.

So nobody is shown what MLflow does not show their projects, and a page costs one call a project however many runs
there are (two, where it is not known yet which experiments a project has).
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _

from accounts.models import Project
from jobs.models import TrackingAccount
from jobs.tracking.accounts import NO_ENTRY, login_of
from jobs.tracking.client import TrackingRefused, TrackingUnavailable, call
from jobs.tracking.runs import DEPLOYMENT_TAG, MODULE_TAG, SWEEP_TAG, Run, run_from

AT_ONCE = 8  # calls; MLflow's server is one process
FURTHEST = 5_000  # runs of a project that are paged through
SEARCHED = 1_000  # newest runs of a project in which plain words are looked for
EXPERIMENTS_FRESH_SECONDS = 60
STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
KEY = re.compile(r"(?P<group>metrics|params)\.(?P<name>[^`'\"]{1,250})")
ATTRIBUTES = {"started": "start_time", "ended": "end_time", "name": "run_name", "status": "status"}


class BadFilter(Exception):
    """MLflow cannot read the filter; its text says what is wrong with it."""


@dataclass(frozen=True)
class Order:
    """By when it started, its name, its status, or one of its metrics and parameters (``metrics.loss``)."""

    key: str = "started"
    descending: bool = True

    @classmethod
    def parse(cls, text: str) -> "Order":
        """``-started``, ``metrics.loss``; what is none of these sorts by the start."""
        key = text.removeprefix("-")
        return cls(key, text.startswith("-")) if key in ATTRIBUTES or KEY.fullmatch(key) else cls()

    def __str__(self) -> str:
        return f"-{self.key}" if self.descending else self.key

    @property
    def clause(self) -> str:
        found = KEY.fullmatch(self.key)
        column = f"{found['group']}.`{found['name']}`" if found else f"attributes.{ATTRIBUTES[self.key]}"
        return f"{column} {'DESC' if self.descending else 'ASC'}"

    def value(self, run: Run) -> Any:
        """By what two runs are compared; None where a run has no such value."""
        found = KEY.fullmatch(self.key)
        if not found:
            return getattr(run, self.key)
        value = getattr(run, found["group"]).get(found["name"])
        return None if isinstance(value, float) and math.isnan(value) else value


@dataclass(frozen=True)
class Wanted:
    """Which runs, and in which order."""

    words: str = ""  # each of them in a run's name, parameters, tags or data
    filter: str = ""  # in MLflow's own language
    module: str = ""
    deployment: str = ""
    sweep: str = ""
    status: str = ""
    order: Order = field(default_factory=Order)

    @property
    def is_narrow(self) -> bool:
        return self != Wanted(order=self.order)

    @property
    def clauses(self) -> str:
        """The same in MLflow's language, which knows "and" alone: a person's filter only narrows."""
        tags = {MODULE_TAG: self.module, DEPLOYMENT_TAG: self.deployment, SWEEP_TAG: self.sweep}
        parts = [f"tags.`{tag}` = {_quoted(value)}" for tag, value in tags.items() if value]
        if self.sweep:
            parts.append(f"tags.`{DEPLOYMENT_TAG}` != ''")  # not the run that holds them together
        if self.status:
            parts.append(f"attributes.status = {_quoted(self.status)}")
        return " and ".join([*parts, *filter(None, [self.filter.strip()])])

    def has_words(self, run: Run) -> bool:
        if not self.words:
            return True
        said = " ".join(_said(run)).casefold()
        return all(word in said for word in self.words.casefold().split())


@dataclass(frozen=True)
class Found:
    """One page of runs."""

    runs: Sequence["ProjectRun"]
    more: bool = False
    cut: bool = False  # words were looked for in the newest runs alone


@dataclass(frozen=True)
class ProjectRun:
    project: Project
    run: Run


def find(projects: Iterable[Project], wanted: Wanted, *, limit: int, offset: int = 0) -> Found:
    """Raises TrackingUnavailable, and BadFilter."""
    most = SEARCHED if wanted.words else min(offset + limit + 1, FURTHEST)
    answers = _ask_all(projects, lambda account: _search(account, wanted, most))
    cut = bool(wanted.words) and any(len(runs) >= most for runs in answers.values())
    kept = [ProjectRun(project, run) for project, runs in answers.items() for run in runs if wanted.has_words(run)]
    ordered = in_order(kept, wanted.order)
    return Found(ordered[offset : offset + limit], len(ordered) > offset + limit, cut)


def find_by_ids(projects: Iterable[Project], ids: Sequence[str]) -> list[ProjectRun]:
    """Those of these runs that are there and some of these projects', in the order of their ids."""
    wanted = [run_id for run_id in dict.fromkeys(ids) if ID.fullmatch(run_id)]
    if not wanted:
        return []
    among = _projects_with(list(projects), wanted)
    words = Wanted(filter=f"attributes.run_id IN ({', '.join(map(_quoted, wanted))})")
    answers = _ask_all(among, lambda account: _search(account, words, len(wanted)))
    found = {run.id: ProjectRun(project, run) for project, runs in answers.items() for run in runs}
    cache.set_many({_place(run_id): item.project.pk for run_id, item in found.items()}, timeout=3_600)
    return [found[run_id] for run_id in wanted if run_id in found]


def in_order(found: Iterable[ProjectRun], order: Order) -> list[ProjectRun]:
    """As MLflow sorts: what has no value comes last, and among equals the newest first."""
    newest = sorted(found, key=lambda item: item.run.started.timestamp() if item.run.started else 0, reverse=True)
    valued = [item for item in newest if order.value(item.run) is not None]
    without = [item for item in newest if order.value(item.run) is None]
    return [*sorted(valued, key=lambda item: order.value(item.run), reverse=order.descending), *without]


def _ask_all(projects: Iterable[Project], ask: Callable[[TrackingAccount], list[Run]]) -> dict[Project, list[Run]]:
    """What each project's account is answered. A project that MLflow does not know has no runs."""
    if not settings.MLFLOW_URL:
        raise TrackingUnavailable(_("This Serai keeps no runs: it has no MLflow."))
    rows = TrackingAccount.objects.filter(project__in=list(projects)).exclude(experiment_id="")
    accounts = list(rows.select_related("project"))
    if not accounts:
        return {}
    with ThreadPoolExecutor(min(AT_ONCE, len(accounts))) as pool:
        answers = list(pool.map(ask, accounts))
    return {account.project: runs for account, runs in zip(accounts, answers, strict=True)}


def _search(account: TrackingAccount, wanted: Wanted, most: int) -> list[Run]:
    """Called in a thread of its own: no database here."""
    try:
        found = call(
            login_of(account),
            "POST",
            "2.0/mlflow/runs/search",
            experiment_ids=_experiments(account),
            filter=wanted.clauses,
            max_results=most,
            order_by=[wanted.order.clause],
        )
    except TrackingRefused as refusal:
        if refusal.code in NO_ENTRY:
            return []
        raise BadFilter(str(refusal)) from refusal
    return [run_from(words) for words in found.get("runs", [])]


def _experiments(account: TrackingAccount) -> list[str]:
    """The project's own, and those that its people made themselves."""
    key = f"experiments-{account.pk}"
    known: list[str] | None = cache.get(key)
    if known is None:
        found = call(login_of(account), "POST", "2.0/mlflow/experiments/search", max_results=100)
        others = [experiment["experiment_id"] for experiment in found.get("experiments", [])]
        known = list(dict.fromkeys([account.experiment_id, *others]))
        cache.set(key, known, EXPERIMENTS_FRESH_SECONDS)
    return known


def _projects_with(projects: list[Project], run_ids: Sequence[str]) -> list[Project]:
    """Only those that have these runs, if that is known of all: a run stays where it is."""
    known = cache.get_many([_place(run_id) for run_id in run_ids])
    return projects if len(known) < len(run_ids) else [one for one in projects if one.pk in known.values()]


def _place(run_id: str) -> str:
    return f"run-is-in-{run_id}"


def _said(run: Run) -> Iterable[str]:
    yield run.name
    yield run.id
    yield run.tags.get(MODULE_TAG, "")
    yield from (f"{name}={value}" for name, value in run.params.items())
    yield from (dataset.name for dataset in run.datasets)


def _quoted(value: str) -> str:
    """MLflow knows no escapes: what holds a quote is none of our ids and finds nothing."""
    return f"'{value.replace(chr(39), '')}'"
