"""Tracking of trainings in MLflow: accounts, what a task gets, runs. MLflow down stops nothing."""

from jobs.tracking.accounts import ensure_project, ensure_waiting
from jobs.tracking.client import TrackingRefused, TrackingUnavailable
from jobs.tracking.remembering import remember_runs
from jobs.tracking.runs import Point, Run, login, metric_history, run, runs_of, search_runs
from jobs.tracking.task import environment, prepare

__all__ = [
    "Point",
    "Run",
    "TrackingRefused",
    "TrackingUnavailable",
    "ensure_project",
    "ensure_waiting",
    "environment",
    "login",
    "metric_history",
    "prepare",
    "remember_runs",
    "run",
    "runs_of",
    "search_runs",
]
