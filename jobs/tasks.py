"""What the worker does. Ids only: the rows say the rest."""

from collections.abc import Callable
from typing import cast
from uuid import UUID

from celery import shared_task as untyped_shared_task

from datacenters import carbon

from . import admission, cleaning, lifetimes, reconciling, submission, sweeps, tracking
from .tracking.sweeps import tend_sweeps

# Celery has no types of its own; our tasks are called by name and give nothing back.
shared_task = cast(Callable[[Callable[..., None]], Callable[..., None]], untyped_shared_task)


@shared_task
def submit(deployment_id: str) -> None:
    submission.submit(UUID(deployment_id))


@shared_task
def withdraw(deployment_id: str) -> None:
    submission.withdraw(UUID(deployment_id))


@shared_task
def sweep() -> None:
    submission.sweep()


@shared_task
def end_lifetimes() -> None:
    lifetimes.tick()


@shared_task
def reconcile() -> None:
    reconciling.reconcile()


@shared_task
def forget_deleted() -> None:
    cleaning.clean()


@shared_task
def admit() -> None:
    admission.release()


@shared_task
def fetch_carbon() -> None:
    carbon.fetch_all()


@shared_task
def make_tracking_accounts() -> None:
    tracking.ensure_waiting()


@shared_task
def remember_run(deployment_id: str) -> None:
    tracking.remember_runs(UUID(deployment_id))


@shared_task
def remember_runs() -> None:
    tracking.remember_runs()


@shared_task
def advance_sweep(sweep_id: str) -> None:
    sweeps.advance(UUID(sweep_id))


@shared_task
def advance_sweeps() -> None:
    sweeps.advance_all()


@shared_task
def track_sweeps() -> None:
    tend_sweeps()


@shared_task
def send_journals() -> None:
    tracking.send_journals()
