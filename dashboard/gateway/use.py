"""Which deployments people use through the gateway, written down together and seldom."""

import asyncio
import logging
import time
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections, connection

from dashboard.addresses import MLFLOW_LABEL
from jobs import lifetimes

from .places import Place

logger = logging.getLogger(__name__)

WRITTEN_EVERY_SECONDS = 60.0
GATHERED_SECONDS = 2.0  # a page asks for dozens of files, and several people at once


class UseNotes:
    """``note`` costs nothing: it only remembers. One task at a time writes."""

    def __init__(self) -> None:
        self._written: dict[UUID, float] = {}
        self._to_write: set[UUID] = set()
        self._writing: asyncio.Task[None] | None = None

    def note(self, place: Place) -> None:
        """Somebody asks something there, or holds a connection open."""
        written = self._written.get(place.deployment_id)
        if place.label == MLFLOW_LABEL or (written and time.monotonic() - written < WRITTEN_EVERY_SECONDS):
            return
        self._to_write.add(place.deployment_id)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        while self._to_write:
            await asyncio.sleep(GATHERED_SECONDS)
            ids, now = self._to_write, time.monotonic()
            self._to_write = set()
            self._written = {pk: at for pk, at in self._written.items() if now - at < WRITTEN_EVERY_SECONDS}
            self._written |= dict.fromkeys(ids, now)
            await sync_to_async(_write)(ids)


def _write(ids: set[UUID]) -> None:
    try:
        lifetimes.touch(ids)
    except DatabaseError:
        # The next minute's note says the same.
        logger.exception("That deployments are in use could not be written down")
    finally:
        if not connection.in_atomic_block:
            close_old_connections()
