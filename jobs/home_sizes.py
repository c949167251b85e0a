"""How much lies in the home of a project."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.cache import cache

from accounts.models import Project

FRESH_SECONDS = 15  # for pages; whoever writes is measured by what is there


def now(project: Project) -> int:
    """In bytes, measured file by file."""
    size_bytes = sum(_sizes(folder_of(project)))
    cache.set(_key(project), size_bytes, FRESH_SECONDS)
    return size_bytes


def lately(project: Project) -> int:
    """In bytes, as it was some seconds ago."""
    known: int | None = cache.get(_key(project))
    return now(project) if known is None else known


def folder_of(project: Project) -> Path:
    return Path(settings.SERAI_DATA) / "homes" / str(project.pk)


def _key(project: Project) -> str:
    return f"home-size-{project.pk}"


def _sizes(folder: Path) -> Iterator[int]:
    for place, _folders, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):  # deleted meanwhile
                yield os.lstat(os.path.join(place, name)).st_size
