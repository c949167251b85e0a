"""What the charts of runs draw: each metric, and how it went in each run."""

from collections.abc import Sequence
from typing import Any

from dashboard.runs.comparing import metric_names
from dashboard.training import mlflow_words
from jobs import tracking
from jobs.tracking import Course, ProjectRun, TrackingRefused, TrackingUnavailable

LARGEST_NUMBER = 24  # of charts; the rest is in MLflow


def courses_of(runs: Sequence[ProjectRun]) -> dict[str, Any]:
    """``{"problem", "running", "left_out", "series": [{"name", "courses": [{"run", "steps", "values"}]}]}``.

    ``run`` is the place among those asked for; MLflow down is a sentence, not an error.
    """
    names = metric_names([item.run for item in runs])
    shown = names[:LARGEST_NUMBER]
    try:
        found = tracking.courses(runs, shown)
    except (TrackingUnavailable, TrackingRefused) as obstacle:
        return {"problem": mlflow_words() or str(obstacle), "running": True, "left_out": 0, "series": []}
    places = {item.run.id: place for place, item in enumerate(runs)}
    return {
        "problem": "",
        "running": any(item.run.is_running for item in runs),
        "left_out": len(names) - len(shown),
        "series": [{"name": name, "courses": _drawn(found[name], places)} for name in shown],
    }


def _drawn(courses: Sequence[Course], places: dict[str, int]) -> list[dict[str, Any]]:
    return [{"run": places[one.run_id], "steps": one.steps, "values": one.values} for one in courses]
