"""What each datacenter had and what of it was used, over time: rows every five minutes, thinned as they age."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Avg
from django.db.models.functions import TruncHour
from django.utils import timezone

FINE, HOURLY = 5, 60  # minutes
FINE_LASTS, HOURLY_LASTS = timedelta(days=2), timedelta(days=90)
AMOUNTS = (
    "cpu_cores",
    "used_cpu_cores",
    "memory_mb",
    "used_memory_mb",
    "disk_mb",
    "used_disk_mb",
    "gpus",
    "used_gpus",
    "queued",
)


class DatacenterSample(models.Model):
    """A datacenter's machines that were up at this time, all jobs' use of them, and deployments that waited for it."""

    datacenter = models.ForeignKey("datacenters.Datacenter", on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    minutes = models.PositiveSmallIntegerField(default=FINE)  # the time that it speaks of, from ``at`` on
    cpu_cores = models.FloatField()
    used_cpu_cores = models.FloatField()
    memory_mb = models.FloatField()
    used_memory_mb = models.FloatField()
    disk_mb = models.FloatField()
    used_disk_mb = models.FloatField()
    gpus = models.FloatField()
    used_gpus = models.FloatField()
    queued = models.FloatField()

    class Meta:
        ordering = ["at"]
        # Two watchers would write the same row.
        constraints = [
            models.UniqueConstraint(fields=["datacenter", "minutes", "at"], name="one_sample_per_datacenter_and_time")
        ]

    def __str__(self) -> str:
        return f"{self.datacenter} {self.at:%F %H:%M}"


def slot(now: datetime) -> datetime:
    """The beginning of the five minutes that this moment belongs to."""
    return now.replace(minute=now.minute - now.minute % FINE, second=0, microsecond=0)


def thin(now: datetime | None = None) -> None:
    """Old rows become means of an hour, and very old ones go."""
    now = now or timezone.now()
    before = (now - FINE_LASTS).replace(minute=0, second=0, microsecond=0)
    with transaction.atomic():
        old = DatacenterSample.objects.filter(minutes=FINE, at__lt=before)
        hours = old.order_by().annotate(hour=TruncHour("at", tzinfo=UTC)).values("datacenter_id", "hour")
        means: Iterable[Mapping[str, Any]] = hours.annotate(**{f"mean_{name}": Avg(name) for name in AMOUNTS})
        DatacenterSample.objects.bulk_create(
            (
                DatacenterSample(
                    datacenter_id=row["datacenter_id"],
                    at=row["hour"],
                    minutes=HOURLY,
                    **{name: row[f"mean_{name}"] for name in AMOUNTS},
                )
                for row in means
            ),
            ignore_conflicts=True,
        )
        old.delete()
    DatacenterSample.objects.filter(at__lt=now - HOURLY_LASTS).delete()
