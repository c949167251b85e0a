"""What a training's page draws: its runs in MLflow, and how each of their metrics went."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _

from dashboard import addresses
from jobs import tracking
from jobs.models import Deployment
from jobs.tracking import Run, TrackingRefused, TrackingUnavailable, server

STATUS_FRESH_SECONDS = 3
LARGEST_NUMBER = 12  # of charts; the rest is in MLflow


def metrics_of(deployment: Deployment) -> dict[str, Any]:
    """``{"problem", "runs": [{"id", "name", "status", "url"}], "series": [{"name", "steps", "values"}]}``."""
    try:
        runs = tracking.runs_of(deployment)
        series = list(_series(deployment, runs[0])) if runs else []
    except (TrackingUnavailable, TrackingRefused) as obstacle:
        return {"problem": mlflow_words() or str(obstacle), "runs": [], "series": []}
    return {"problem": "", "runs": [_shown(deployment, run) for run in runs], "series": series}


def mlflow_words() -> str:
    """Why no run can be seen now, and that none is lost; empty while MLflow answers, or where there is none."""
    if not settings.MLFLOW_URL:
        return ""
    now: server.Status = cache.get_or_set("mlflow-status", server.status, STATUS_FRESH_SECONDS)  # type: ignore[assignment]
    words = {
        "installing": _("MLflow is being installed in the background (%(detail)s)."),
        "starting": _("MLflow is starting."),
        "down": _("MLflow does not answer at the moment."),
    }
    if now.state not in words:
        return ""
    sentence = words[now.state] % {"detail": now.detail or _("this takes about a minute")}
    return f"{sentence} {_('Trainings run all the same; what they log is sent once it answers.')}"


def outcome_of(deployment: Deployment) -> list[tuple[str, str]]:
    """What the module's ``train`` gave back, if that is a few plain values; the whole is shown beside it."""
    return [(name, plain(value)) for name, value in values_of(deployment).items()]


def values_of(deployment: Deployment) -> dict[str, str | int | float]:
    """The plain values of what ``train`` gave back."""
    output = deployment.result
    for step in ("result", "output"):  # as deepaas-cli wraps it
        output = output.get(step) if isinstance(output, dict) else None
    if not isinstance(output, dict):
        return {}
    return {name: value for name, value in output.items() if isinstance(value, str | int | float)}


def plain(value: str | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _series(deployment: Deployment, run: Run) -> Iterator[dict[str, Any]]:
    for name in sorted(run.metrics)[:LARGEST_NUMBER]:
        points = tracking.metric_history(deployment.project, run.id, name)
        yield {"name": name, "steps": [p.step for p in points], "values": [p.value for p in points]}


def _shown(deployment: Deployment, run: Run) -> dict[str, str]:
    url = addresses.run_url(deployment, run.experiment_id, run.id)
    return {"id": run.id, "name": run.name, "status": run.status, "url": url}
