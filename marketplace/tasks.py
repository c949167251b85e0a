"""Looking at sources in the background."""

from celery import shared_task

from . import services

LONGEST = 3600  # seconds: a catalog of hundreds of repositories, one after the other


@shared_task(time_limit=LONGEST, soft_time_limit=LONGEST - 60)  # type: ignore[untyped-decorator]
def sync(slug: str) -> None:
    services.sync_enabled([slug])


@shared_task(time_limit=LONGEST, soft_time_limit=LONGEST - 60)  # type: ignore[untyped-decorator]
def sync_all() -> None:
    services.sync_enabled()
