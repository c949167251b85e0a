"""Copies the logs of live jobs, quickly where something happens or somebody looks."""

import logging
import time
from collections.abc import Callable, Mapping
from uuid import UUID

from datacenters.interface import Adapter, DatacenterError, JobState
from jobs import archive, news
from jobs.explanations import TASK_OF_STAGE
from jobs.models import Deployment

logger = logging.getLogger(__name__)

# Seconds between two looks at the log of a job that nobody watches, by how long it has been quiet.
PERIODS = ((10.0, 1.0), (60.0, 2.0), (float("inf"), 5.0))
WATCHED_SECONDS = 0.5


class LogKeeper:
    def __init__(self, adapter: Callable[[], Adapter], live: Callable[[], Mapping[UUID, JobState]]) -> None:
        self._adapter, self._live = adapter, live
        self._looked: dict[UUID, float] = {}
        self._grew: dict[UUID, float] = {}
        self._told_of_storages: dict[UUID, int] = {}
        # Tasks that had ended when they were copied: they write no more.
        self._done: set[tuple[str, str]] = set()

    def turn(self) -> None:
        live = self._live()
        for pk, state in live.items():
            if time.monotonic() - self._looked.get(pk, 0.0) >= self._period(pk):
                self._keep(pk, state)
        self._forget_all_but(live)

    def _period(self, pk: UUID) -> float:
        if archive.is_watched(pk):
            return WATCHED_SECONDS
        quiet = time.monotonic() - self._grew.get(pk, time.monotonic())
        return next(period for limit, period in PERIODS if quiet < limit)

    def _keep(self, pk: UUID, state: JobState) -> None:
        now = time.monotonic()
        self._looked[pk] = now
        self._grew.setdefault(pk, now)
        allocation = state.allocation_id or ""
        names = {task.name for task in state.tasks if (allocation, task.name) not in self._done}
        try:
            grew = archive.keep(self._adapter(), pk, state, names) > 0
        except DatacenterError as error:
            logger.info("The log of %s could not be read: %s", pk, error)
            return
        self._done |= {(allocation, task.name) for task in state.tasks if task.state == "dead"}
        if grew:
            self._grew[pk] = now
            self._tell_progress(pk)
            self._tell_storages(pk)

    def _tell_progress(self, pk: UUID) -> None:
        deployment = Deployment.objects.filter(pk=pk, stage__in=TASK_OF_STAGE).first()
        if deployment:
            news.tell_progress(deployment)

    def _tell_storages(self, pk: UUID) -> None:
        """Open pages look again when what is attached tells of itself."""
        told = archive.size_of(pk, "storages", "stdout")
        if told != self._told_of_storages.get(pk, 0):
            self._told_of_storages[pk] = told
            Deployment.objects.filter(pk=pk).change()

    def _forget_all_but(self, live: Mapping[UUID, JobState]) -> None:
        for seen in (self._looked, self._grew, self._told_of_storages):
            for pk in [pk for pk in seen if pk not in live]:
                del seen[pk]
        allocations = {state.allocation_id for state in live.values()}
        self._done = {(allocation, name) for allocation, name in self._done if allocation in allocations}
