"""Asks services whether they answer, several at a time, so that a silent one holds up nobody."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from django.db import DatabaseError, connection

from jobs import health, lifetimes
from jobs.deepaas.services import remember_document
from jobs.models import Deployment, Status
from marketplace.models import Kind

logger = logging.getLogger(__name__)

AT_ONCE = 8
# A start is looked at often; of one that answers, two bad answers in a row count.
STARTING_SECONDS, WELL_SECONDS, ILL_SECONDS = 0.5, 10.0, 3.0
STRIKES = 2


class Prober:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="probe")
        self._due: dict[UUID, float] = {}
        self._strikes: dict[UUID, int] = {}
        self._asking: set[UUID] = set()

    def turn(self) -> None:
        up = {deployment.pk: deployment for deployment in health.to_probe()}
        for pk, deployment in up.items():
            if pk not in self._asking and self._due.get(pk, 0.0) <= time.monotonic():
                self._asking.add(pk)
                self._pool.submit(self._ask, deployment)
        for seen in (self._due, self._strikes):
            for pk in [pk for pk in seen if pk not in up]:
                del seen[pk]

    def _ask(self, deployment: Deployment) -> None:
        try:
            found = health.probe(deployment)
            self._strikes[deployment.pk] = 0 if found.ok else self._strikes.get(deployment.pk, 0) + 1
            if found.ok or deployment.status == Status.STARTING or self._strikes[deployment.pk] >= STRIKES:
                _take_over(deployment, found)
            if found.ok:
                lifetimes.look_after(deployment)
            self._due[deployment.pk] = time.monotonic() + _pause(deployment, found)
        except DatabaseError:
            logger.exception("What %s answered could not be written down; it is asked again", deployment.pk)
        finally:
            self._asking.discard(deployment.pk)
            connection.close()


def _take_over(deployment: Deployment, found: health.Health) -> None:
    if health.note(deployment, found) and found.ok and deployment.asset_kind == Kind.MODULE:
        # It may be another version of the module than the last time.
        remember_document(deployment)


def _pause(deployment: Deployment, found: health.Health) -> float:
    if found.ok:
        return WELL_SECONDS
    return STARTING_SECONDS if deployment.status == Status.STARTING else ILL_SECONDS
