"""Runs as MLflow has them, read with the project's own account: it sees what the project may see."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.models import Project
from jobs.models import Deployment
from jobs.tracking.accounts import account_of, login_of
from jobs.tracking.client import Login, call

DEPLOYMENT_TAG = "serai.deployment"
MODULE_TAG = "serai.module"
REVISION_TAG = "serai.revision"  # of the module: which of its sources or packages
VERSION_TAG = "serai.version"  # of the module, as its package says
SWEEP_TAG = "serai.sweep"
DATASETS_TAG = "serai.datasets"  # what Serai fetched for it, addresses with spaces between
PARENT_TAG = "mlflow.parentRunId"  # MLflow's own, of a run within another
UNFINISHED = frozenset({"RUNNING", "SCHEDULED"})
CHART_POINTS = 500  # of a longer history MLflow picks as many, evenly


@dataclass(frozen=True)
class Dataset:
    """What a run was trained on, as it said itself."""

    name: str
    digest: str = ""
    source: str = ""


@dataclass(frozen=True)
class Run:
    id: str
    experiment_id: str
    name: str
    status: str  # RUNNING, SCHEDULED, FINISHED, FAILED, KILLED
    started: datetime | None
    ended: datetime | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]  # the last value of each
    tags: Mapping[str, str]
    datasets: tuple[Dataset, ...] = ()

    @property
    def deployment_id(self) -> str | None:
        return self.tags.get(DEPLOYMENT_TAG)

    @property
    def is_running(self) -> bool:
        return self.status in UNFINISHED

    @property
    def lasted(self) -> timedelta | None:
        return self.ended - self.started if self.started and self.ended else None


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    step: int
    at: datetime
    value: float


def runs_of(deployment: Deployment) -> list[Run]:
    """The runs that this deployment logged, newest first."""
    return search_runs(deployment.project, f"tags.`{DEPLOYMENT_TAG}` = '{deployment.pk}'")


def search_runs(project: Project, words: str = "", limit: int = 100) -> list[Run]:
    """The project's runs, newest first; ``words`` is a filter in MLflow's language, written by us."""
    account = account_of(project)
    if not account.experiment_id:
        return []
    found = call(
        login_of(account),
        "POST",
        "2.0/mlflow/runs/search",
        experiment_ids=[account.experiment_id],
        filter=words,
        max_results=limit,
        order_by=["attributes.start_time DESC"],
    )
    return [run_from(words) for words in found.get("runs", [])]


def run(project: Project, run_id: str) -> Run:
    return run_from(call(login(project), "GET", "2.0/mlflow/runs/get", run_id=run_id)["run"])


def metric_history(project: Project, run_id: str, key: str) -> list[Point]:
    """How one metric went, in order of its steps, thinned out for a chart."""
    found = call(
        login(project),
        "GET",
        "2.0/mlflow/metrics/get-history-bulk-interval",
        run_ids=run_id,
        metric_key=key,
        max_results=CHART_POINTS,
    )
    points = [
        Point(int(m.get("step", 0)), _moment(m["timestamp"]), float(m["value"])) for m in found.get("metrics", [])
    ]
    return sorted(points, key=lambda point: (point.step, point.at))


def login(project: Project) -> Login:
    """The account by which a project reads and writes its runs."""
    return login_of(account_of(project))


def run_from(words: Mapping[str, Any]) -> Run:
    """A run as MLflow's answer describes it."""
    info, data = words["info"], words.get("data", {})
    return Run(
        id=info["run_id"],
        experiment_id=info["experiment_id"],
        name=info.get("run_name", ""),
        status=info["status"],
        started=_time(info.get("start_time")),
        ended=_time(info.get("end_time")),
        params={item["key"]: item["value"] for item in data.get("params", [])},
        metrics={item["key"]: float(item["value"]) for item in data.get("metrics", [])},
        tags={item["key"]: item["value"] for item in data.get("tags", [])},
        datasets=tuple(_dataset(item["dataset"]) for item in words.get("inputs", {}).get("dataset_inputs", [])),
    )


def _dataset(words: Mapping[str, Any]) -> Dataset:
    return Dataset(words["name"], words.get("digest", ""), _address(words.get("source", "")))


def _address(source: str) -> str:
    """MLflow keeps a source as JSON, whose form depends on its type; any other text is taken as it is."""
    try:
        words = json.loads(source)
    except ValueError:
        return source
    if not isinstance(words, dict):
        return ""
    tags = words.get("tags")
    words |= {"name": tags.get("mlflow.source.name")} if isinstance(tags, dict) else {}
    return next((str(words[key]) for key in ("url", "uri", "path", "name") if words.get(key)), "")


def _time(milliseconds: int | str | None) -> datetime | None:
    return _moment(milliseconds) if milliseconds else None


def _moment(milliseconds: int | str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
