"""Tracking of trainings in MLflow: accounts, what a task gets, runs. MLflow down stops nothing."""

from jobs.tracking.accounts import ensure_project, ensure_waiting
from jobs.tracking.client import TrackingRefused, TrackingUnavailable
from jobs.tracking.finding import BadFilter, Found, Order, ProjectRun, Wanted, find, find_by_ids
from jobs.tracking.histories import Course, courses
from jobs.tracking.journals import send_journals
from jobs.tracking.remembering import remember_runs
from jobs.tracking.runs import Dataset, Point, Run, login, metric_history, run, runs_of, search_runs
from jobs.tracking.task import environment, prepare

__all__ = [
    "BadFilter",
    "Course",
    "Dataset",
    "Found",
    "Order",
    "Point",
    "ProjectRun",
    "Run",
    "TrackingRefused",
    "TrackingUnavailable",
    "Wanted",
    "courses",
    "ensure_project",
    "ensure_waiting",
    "environment",
    "find",
    "find_by_ids",
    "login",
    "metric_history",
    "prepare",
    "remember_runs",
    "run",
    "runs_of",
    "search_runs",
    "send_journals",
]
