"""All that is watched of one cluster: its news, its jobs' logs, what they use, and its nodes."""

import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from datacenters.interface import Adapter, DatacenterError, JobEvent, JobNotFound, JobState
from datacenters.models import Cluster
from datacenters.node_tests import running
from datacenters.services import adapter_for, note_unreachable, refresh
from jobs import news, outages, projection, reconciling
from jobs.models import FINAL, Deployment

from .logs import LogKeeper
from .loops import Loop
from .usage import sample

logger = logging.getLogger(__name__)

# With a call that hangs until its time-out, still within 15 s of a cluster's return.
BACK_OFF_SECONDS = (0.3, 1.0, 2.0, 4.0)
# An agent that is started anew is back within this time: nobody needs to hear of it.
OUT_OF_REACH_SECONDS = 15.0
LOGS_SECONDS, USAGE_SECONDS, NODES_SECONDS, TESTS_SECONDS = 0.5, 10.0, 15.0, 5.0


class ClusterWatch:
    """``states`` holds the newest state of each live job; the other loops work from it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.states: dict[UUID, JobState] = {}
        self._lock = threading.Lock()
        self._failures = 0
        self._silent_since: tuple[float, datetime] | None = None
        self._logs = LogKeeper(self.adapter, self.live)
        self.loops = [
            Loop(f"news of {cluster}", self.listen, 0.0),
            Loop(f"logs of {cluster}", self._logs.turn, LOGS_SECONDS),
            Loop(f"usage of {cluster}", lambda: sample(self.adapter(), self.live()), USAGE_SECONDS),
            Loop(f"nodes of {cluster}", self._refresh, NODES_SECONDS),
            Loop(f"tests of {cluster}", lambda: running.turn(cluster), TESTS_SECONDS),
        ]

    def start(self) -> None:
        for loop in self.loops:
            loop.start()

    def end(self) -> None:
        for loop in self.loops:
            loop.end()

    def adapter(self) -> Adapter:
        return adapter_for(self.cluster)

    def live(self) -> Mapping[UUID, JobState]:
        """Nothing while the cluster is silent: asking it for each job would only fill our own log."""
        with self._lock:
            return {} if self._silent_since else dict(self.states)

    def _refresh(self) -> None:
        refresh(self.cluster)

    # ── News ─────────────────────────────────────────────────────────────────────────────────────
    def listen(self) -> None:
        """One connection: all states, then each change of them, until it breaks."""
        try:
            self._hear()
        except DatacenterError as error:
            self._missed(error)

    def _hear(self) -> None:
        states = reconciling.reconcile_cluster(self.cluster)
        self._reached()
        with self._lock:
            self.states = {pk: state for state in states if (pk := _live_id(state))}
        adapter = self.adapter()
        for event in adapter.events(max((state.index for state in states), default=0)):
            if self.loops[0].ending.is_set():
                return
            if event is not None:
                self._heard(adapter, event)

    def _heard(self, adapter: Adapter, event: JobEvent) -> None:
        pk = news.deployment_id_of(event.job_id or "")
        if pk is None:
            return
        known = self.states.get(pk)
        if known is not None and known.index >= event.index:
            return  # the state that an earlier event made us ask for held this already
        try:
            state = adapter.state(event.job_id or "", event.namespace)
        except JobNotFound:
            projection.gone(pk, self.cluster)
            self._forget(pk)
            return
        news.take(adapter, state, self.cluster)
        with self._lock:
            self.states[pk] = state
        if state.status in news.ENDS:
            self._forget(pk)

    def _forget(self, pk: UUID) -> None:
        with self._lock:
            self.states.pop(pk, None)

    # ── Out of reach ─────────────────────────────────────────────────────────────────────────────
    def _reached(self) -> None:
        if self._silent_since:
            logger.info("%s answers again.", self.cluster)
            refresh(self.cluster)
            outages.over(self.cluster)
        self._failures, self._silent_since = 0, None

    def _missed(self, error: DatacenterError) -> None:
        if self._silent_since is None:
            self._silent_since = (time.monotonic(), timezone.now())
            logger.warning("%s: %s", self.cluster, error)
        began, since = self._silent_since
        if time.monotonic() - began > OUT_OF_REACH_SECONDS:
            note_unreachable(self.cluster, error)
            projection.out_of_reach(self.cluster, since, error)
        wait = BACK_OFF_SECONDS[min(self._failures, len(BACK_OFF_SECONDS) - 1)]
        self._failures += 1
        self.loops[0].ending.wait(wait)


def _live_id(state: JobState) -> UUID | None:
    """The deployment of a state that may still change."""
    pk = news.deployment_id_of(state.job_id)
    live = Deployment.objects.filter(pk=pk).exclude(status__in=FINAL).exists() if pk else False
    return pk if live else None
