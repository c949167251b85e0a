"""Celery's broker of files, such that no half-written message, full disk or missing folder ends the worker.

Kombu's own reads messages while they are still being written, and takes an empty one for a fault.
A message that is lost only delays: the rows are the truth, and the sweep rings again.
"""

import os
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any
from uuid import uuid4

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

QUEUE = "celery"  # Celery's one queue, exchange and routing key, where nothing else is set up


class Channel(filesystem.Channel):  # type: ignore[misc]
    @property
    def _folder(self) -> Path:
        folder = Path(self.data_folder_in)
        folder.mkdir(mode=0o700, exist_ok=True)  # somebody may have deleted it
        return folder

    def get_table(self, exchange: str) -> Any:
        found = super().get_table(exchange)
        return found or ([filesystem.exchange_queue_t(QUEUE, "", QUEUE)] if exchange == QUEUE else [])

    def _put(self, queue: Any, payload: Any, **_options: Any) -> None:
        """Whole or not at all: readers see only what has its final name."""
        message = self._folder / f"{time_ns()}_{uuid4()}.{queue}.msg"
        draft = message.with_name(f".{message.name}")
        try:
            draft.write_text(dumps(payload))
            draft.replace(message)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def _get(self, queue: Any, _timeout: Any = None) -> Any:
        for name in sorted(os.listdir(self._folder)):
            if name.partition(".")[2] == f"{queue}.msg" and (message := self._taken(name)):
                return message
        raise Empty

    def _taken(self, name: str) -> Any:
        """The message, for one of those who try; None for the others, and if it is none."""
        mine = self._folder / f".{uuid4()}.taken"
        try:
            os.rename(self._folder / name, mine)
        except FileNotFoundError:
            return None
        content = mine.read_bytes()
        mine.unlink()
        try:
            message = loads(content.decode())
        except ValueError:
            return None
        return message if isinstance(message, dict) and "properties" in message else None


class Transport(filesystem.Transport):  # type: ignore[misc]
    Channel = Channel
