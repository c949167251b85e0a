"""How long deployments waited for their start, by place and GPU model: a guess for the next ones, from our own rows."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from statistics import median_low

from django.core.cache import cache
from django.db.models import Count
from django.utils import timezone

from .models import Deployment, Status
from .placement import ANY_GPU, Wait

FEWEST = 3  # of which a median says anything
LOOKS_BACK, MOST_ROWS = timedelta(days=30), 2_000
KEPT_SECONDS = 60
KEY = "jobs.waits"


def typical() -> Mapping[tuple[str, str], Wait]:
    """By datacenter and GPU model: "" without a GPU, ``ANY_GPU`` for all with one."""
    known: dict[tuple[str, str], Wait] | None = cache.get(KEY)
    if known is None:
        known = _typical()
        cache.set(KEY, known, KEPT_SECONDS)
    return known


def _typical() -> dict[tuple[str, str], Wait]:
    # Only first starts: of a later one nobody kept when it was asked for.
    rows = Deployment.objects.filter(
        started__isnull=False, starts=1, datacenter__isnull=False, created__gt=timezone.now() - LOOKS_BACK
    )
    fields = ("datacenter__name", "request__resources__gpus", "request__resources__gpu_model", "created", "started")
    found: defaultdict[tuple[str, str], list[timedelta]] = defaultdict(list)
    for name, gpus, model, created, started in rows.order_by("-created").values_list(*fields)[:MOST_ROWS]:
        for key in {ANY_GPU, model or ANY_GPU} if gpus else {""}:
            found[name, key].append(max(started - created, timedelta(0)))
    return {key: Wait(median_low(waits), len(waits)) for key, waits in found.items() if len(waits) >= FEWEST}


def queued() -> Mapping[str, int]:
    """How many of our deployments wait for a place, by datacenter."""
    waiting = Deployment.objects.filter(status__in=(Status.QUEUED, Status.PENDING), deleted=None, held_since=None)
    counts = waiting.order_by().values_list("datacenter__name").annotate(count=Count("pk"))
    return {name: count for name, count in counts if name}
