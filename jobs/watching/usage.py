"""What live jobs use, for their charts."""

from collections.abc import Mapping
from uuid import UUID

from datacenters.interface import Adapter, JobState, JobStatus
from jobs import lifetimes
from jobs.models import Deployment, UsageSample

USING = frozenset({JobStatus.STARTING, JobStatus.RUNNING})


def sample(adapter: Adapter, live: Mapping[UUID, JobState]) -> None:
    samples = []
    for pk, state in live.items():
        usage = adapter.usage(state.allocation_id, state.namespace) if _uses(state) and state.allocation_id else None
        if usage is not None:
            samples.append(UsageSample(deployment_id=pk, cpu_cores=usage.cpu_cores, memory_bytes=usage.memory_bytes))
    # A row that was removed meanwhile must not cost the others theirs.
    known = set(Deployment.objects.filter(pk__in=[one.deployment_id for one in samples]).values_list("pk", flat=True))
    samples = [one for one in samples if one.deployment_id in known]
    lifetimes.note_usage(samples)
    UsageSample.objects.bulk_create(samples)


def _uses(state: JobState) -> bool:
    return state.status in USING
