"""Clusters that are known to be away: nobody waits for them, and what waits for them goes on once they are back."""

from datetime import timedelta

from django.utils import timezone

from datacenters.interface import TokenRefused, Unreachable
from datacenters.models import Cluster

from . import heartbeat
from .models import Deployment, Status

# A call that failed once is no outage: what follows may come through.
SURE_AFTER = timedelta(seconds=15)


def known(cluster: Cluster) -> Unreachable | None:
    """Why it cannot be asked, as the watcher finds again and again; None if it may be worth a try.

    Each try would hold a thread of the worker for as long as its time-outs last, which other clusters' jobs then miss.
    """
    since = cluster.unreachable_since
    if since is None or timezone.now() - since < SURE_AFTER or not _is_watched():
        return None
    return (TokenRefused if cluster.refuses else Unreachable)(cluster.problem)


def over(cluster: Cluster) -> None:
    """It answers again: what could not be sent or stopped is due now."""
    put_back = Deployment.objects.filter(status=Status.QUEUED, attempts__gt=0)
    waiting = put_back | Deployment.objects.filter(status=Status.STOPPING)
    waiting.filter(datacenter__cluster=cluster).exclude(not_before=None).change(not_before=None)


def _is_watched() -> bool:
    age = heartbeat.age_seconds("watcher")
    return age is not None and age < heartbeat.LATE_SECONDS
