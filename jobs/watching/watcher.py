"""The process: a watch for each enabled cluster, and what is done once for all."""

import logging
import threading

from django.db import DatabaseError, close_old_connections

from datacenters.models import Cluster
from datacenters.services import register_local
from jobs import heartbeat, statistics

from .cluster import ClusterWatch
from .loops import Loop
from .probes import Prober

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
PROBE_SECONDS, STATISTICS_SECONDS = 0.5, 30.0


class Broken(RuntimeError):
    """A part of the watcher does not work any more."""


class Watcher:
    def __init__(self) -> None:
        self.ending = threading.Event()
        self._watches: dict[tuple[object, ...], ClusterWatch] = {}
        # For all clusters together: they read rows, or wait for many at a time.
        self._common = (
            Loop("probes", Prober().turn, PROBE_SECONDS),
            Loop("statistics", statistics.turn, STATISTICS_SECONDS),
        )

    def run(self) -> None:
        """Until ``ending`` is set; raises Broken if a loop ended of itself: then all had better begin anew."""
        register_local()
        for loop in self._common:
            loop.start()
        while True:
            self._look_around()
            if self.ending.wait(LOOK_SECONDS):
                return
            self._check()

    @property
    def loops(self) -> list[Loop]:
        return [*self._common, *(loop for watch in self._watches.values() for loop in watch.loops)]

    def _check(self) -> None:
        broken = [loop.name for loop in self.loops if loop.broken]
        if broken:
            raise Broken(f"These ended by a fault: {', '.join(broken)}.")

    def _look_around(self) -> None:
        """Begin to watch what is new, and end what was changed or switched off."""
        close_old_connections()
        heartbeat.beat("watcher")
        try:
            wanted = {_identity(cluster): cluster for cluster in Cluster.objects.filter(enabled=True)}
        except DatabaseError:
            logger.exception("the database is in trouble; trying again")
            return
        for identity in self._watches.keys() - wanted.keys():
            self._watches.pop(identity).end()
        for identity in wanted.keys() - self._watches.keys():
            self._watches[identity] = ClusterWatch(wanted[identity])
            self._watches[identity].start()


def _identity(cluster: Cluster) -> tuple[object, ...]:
    """A cluster with another address or token is watched anew."""
    return (cluster.pk, cluster.address, cluster.region, cluster.token, cluster.ca_certificate)
