"""The Celery application: ``celery -A dashboard.celery worker -B``."""

import ctypes
import os
import signal
from typing import Any

from celery import Celery, signals

from jobs import heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

app = Celery("serai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def show_sign_of_life(**_: Any) -> None:
    """Beat sends a task every few seconds: a worker that finishes one is alive, and so is its beat."""
    heartbeat.beat("worker")


def end_with_the_worker(**_: Any) -> None:
    """Beat is a process of its own; were the worker killed with -9, the next one would be a second beat."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


signals.task_postrun.connect(show_sign_of_life)
signals.beat_embedded_init.connect(end_with_the_worker)
