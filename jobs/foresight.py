"""What the datacenter's own scheduler foresees for a job, asked before it is sent."""

import logging

from datacenters.interface import Adapter, DatacenterError, Forecast, Reason
from datacenters.jobspec import JobSpec

logger = logging.getLogger(__name__)


def obstacle(adapter: Adapter, spec: JobSpec) -> Reason | None:
    """Why it would not start there now; None if it would, or if nobody can tell: that never hinders."""
    try:
        forecast: Forecast = adapter.plan(spec)
    except DatacenterError as error:
        logger.info("Nobody foresees how %s goes: %s", spec.id, error)
        return None
    return None if forecast.placeable else forecast.reason or Reason("")


def may_pass(reason: Reason) -> bool:
    """Whether it would start once something ends there; otherwise that place never takes it as it is."""
    scheduler = reason.evidence.get("scheduler") or {}
    return bool(scheduler.get("DimensionExhausted") or scheduler.get("QuotaExhausted"))
