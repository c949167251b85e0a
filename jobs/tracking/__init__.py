"""Tracking of trainings in MLflow."""

from collections.abc import Mapping

from jobs.models import Deployment


def environment(deployment: Deployment) -> tuple[Mapping[str, str], Mapping[str, str]]:  # noqa: ARG001 see below
    """What a task needs to log its runs: plain variables, and secret ones. Empty where nothing tracks."""
    return {}, {}
