"""Signs of life of the processes that listen on no port: a file each, touched as they work."""

import time
from pathlib import Path

from django.conf import settings

LATE_SECONDS = 30  # after that long without a sign, a part counts as down


def beat(part: str) -> None:
    """Say that ``part`` (``worker``, ``watcher``) is alive now; cheap enough for every turn of a loop."""
    file = _file(part)
    try:
        file.touch()
    except FileNotFoundError:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch()


def age_seconds(part: str) -> float | None:
    """Seconds since the last sign of life; None if there never was one."""
    try:
        return max(0.0, time.time() - _file(part).stat().st_mtime)
    except FileNotFoundError:
        return None


def _file(part: str) -> Path:
    return Path(settings.SERAI_DATA) / "heartbeats" / part
