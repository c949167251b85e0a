"""News of deployments for open pages and event streams: one reader a process, fanned out.

The rows are the truth: the reader looks for newer ones every half second, and only while somebody
listens. A listener that falls behind loses its oldest news: the newest is enough to look again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone

from jobs.models import Deployment

PERIOD_SECONDS = 0.5
HEARTBEAT_SECONDS = 15
BUFFER = 500
# A row is stamped before its transaction ends: look this far back, or a slow one is missed.
OVERLAP = timedelta(seconds=20)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """This deployment's row was written anew; ``project_id`` says who may hear of it."""

    deployment_id: UUID
    project_id: int
    updated: datetime


Listener = asyncio.Queue[Change]


class Feed:
    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._reader: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        queue: Listener = asyncio.Queue(BUFFER)
        self._listeners.add(queue)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    async def _read(self) -> None:
        told: set[Change] = set()
        while self._listeners:
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                recent = set(await sync_to_async(_changes_since)(timezone.now() - OVERLAP))
            except OperationalError as error:
                logger.warning("The feed could not read news and tries again: %s", error)
                continue
            for change in sorted(recent - told, key=lambda change: change.updated):
                self._tell(change)
            told = recent

    def _tell(self, change: Change) -> None:
        for queue in self._listeners:
            if queue.full():  # drop the oldest: whoever hears a later one looks at the row anyway
                queue.get_nowait()
            queue.put_nowait(change)


feed = Feed()


def _changes_since(moment: datetime) -> list[Change]:
    rows = Deployment.objects.filter(updated__gt=moment)
    return [Change(*row) for row in rows.values_list("pk", "project_id", "updated")]
