"""``manage.py watch``: keep rows, logs and figures up to date with what the clusters say."""

import signal
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from jobs.watching.watcher import Watcher


class Command(BaseCommand):
    help = "Watch the clusters: their news, their jobs' logs and health, what is used."
    # They would load every page, which this process never shows: half of its memory.
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        watcher = Watcher()

        def end(_number: int, _frame: FrameType | None) -> None:
            watcher.ending.set()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        watcher.run()
