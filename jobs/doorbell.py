"""Rings for the worker. The rows are the truth: a lost ring only delays, the next sweep finds the row."""

import logging
from uuid import UUID

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

SUBMIT, WITHDRAW = "jobs.tasks.submit", "jobs.tasks.withdraw"
REMEMBER_RUN = "jobs.tasks.remember_run"
ADVANCE_SWEEP = "jobs.tasks.advance_sweep"


def ring_on_commit(task: str, row_id: UUID) -> None:
    transaction.on_commit(lambda: ring(task, row_id))


def ring(task: str, row_id: UUID, *, expires_seconds: float | None = None) -> None:
    try:
        current_app.send_task(task, [str(row_id)], expires=expires_seconds, ignore_result=True)
    except (OperationalError, OSError) as error:
        logger.warning("The broker does not take messages (%s); the next sweep does the work.", error)
