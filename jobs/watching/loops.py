"""A loop of the watcher: something done again and again in a thread of its own, whatever befalls it."""

import logging
import threading
from collections.abc import Callable

from django.db import DatabaseError, close_old_connections, connection

from datacenters.interface import DatacenterError

logger = logging.getLogger(__name__)

AFTER_TROUBLE_SECONDS = 5.0


class Loop(threading.Thread):
    """Calls ``turn`` every so often until it is ended. Trouble with a cluster or the database is told and outlived."""

    def __init__(self, name: str, turn: Callable[[], object], every_seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._turn, self._every = turn, every_seconds
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.wait(self._once()):
            close_old_connections()
        connection.close()

    @property
    def broken(self) -> bool:
        """It ended of itself, which only a fault of ours can do."""
        return not self.is_alive() and not self.ending.is_set()

    def end(self) -> None:
        self.ending.set()

    def _once(self) -> float:
        try:
            self._turn()
        except DatacenterError as error:
            logger.info("%s: %s", self.name, error)
        except (DatabaseError, OSError):  # a locked or broken database, a full disk
            logger.exception("%s: trying again in %g s", self.name, AFTER_TROUBLE_SECONDS)
            return AFTER_TROUBLE_SECONDS
        return self._every
