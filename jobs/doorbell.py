"""Rings for the worker. The rows are the truth: a lost ring only delays, the next sweep finds the row."""

import logging
from uuid import UUID

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

SUBMIT, WITHDRAW = "jobs.tasks.submit", "jobs.tasks.withdraw"
REMEMBER_RUN = "jobs.tasks.remember_run"


def ring_on_commit(task: str, deployment_id: UUID) -> None:
    transaction.on_commit(lambda: ring(task, deployment_id))


def ring(task: str, deployment_id: UUID, *, expires_seconds: float | None = None) -> None:
    try:
        current_app.send_task(task, [str(deployment_id)], expires=expires_seconds, ignore_result=True)
    except (OperationalError, OSError) as error:
        logger.warning("The broker does not take messages (%s); the next sweep does the work.", error)
