"""The queues as rows: who waits in which, in which order, and when their turn may come."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil
from statistics import median_low

from django.core.cache import cache
from django.utils import timezone

from accounts.models import Project
from jobs.models import Deployment, DeploymentKind, DeploymentQuerySet, Status
from jobs.placement import ANY_GPU
from jobs.requests import ResourceRequest

from .fairness import Waiting, in_turn

FEWEST = 3  # of which a median says anything
KEPT_SECONDS = 60
LOOKS_BACK, MOST_ROWS = timedelta(days=30), 200


@dataclass(frozen=True)
class Place:
    """Where one stands in its queue; ``expected`` None: too few ran here for a guess."""

    deployment: Deployment
    number: int
    of: int
    model: str  # of GPU; "" without one
    expected: datetime | None


def held() -> DeploymentQuerySet:
    return Deployment.objects.filter(status=Status.QUEUED, held_since__isnull=False, deleted=None, wanted=True)


def resources_of(deployment: Deployment) -> ResourceRequest:
    return ResourceRequest(**deployment.request["resources"])


def model_of(asked: ResourceRequest) -> str:
    return (asked.gpu_model or ANY_GPU) if asked.gpus else ""


def is_anybody_before(project: Project, model: str) -> bool:
    """Whether somebody waits in this queue."""
    asks = held().filter(project=project).values_list("request__resources__gpus", "request__resources__gpu_model")
    return any(model == ((name or ANY_GPU) if gpus else "") for gpus, name in asks)


def queue_of(project: Project, model: str) -> list[Deployment]:
    """Those that wait in this queue, the next one first."""
    return _ordered(project, _by_model(held().filter(project=project)).get(model, []), model)


def places_in(project: Project) -> list[Place]:
    """Everybody's place in all queues of a project."""
    found = []
    for model, rows in sorted(_by_model(held().filter(project=project)).items()):
        order, lasts = _ordered(project, rows, model), _known_run(project, model)
        beside = max(1, len(_at_work(project, model)))
        for number, row in enumerate(order, 1):
            expected = timezone.now() + lasts * ceil(number / beside) if lasts else None
            found.append(Place(row, number, len(order), model, expected))
    return found


def typical_run(project: Project, model: str) -> timedelta | None:
    """How long batch runs of this queue lasted lately; None if too few ended for a guess."""
    ended = Deployment.objects.filter(
        project=project,
        kind=DeploymentKind.BATCH,
        started__isnull=False,
        ended__gt=timezone.now() - LOOKS_BACK,
    )
    lately = ended.only("request", "started", "ended").order_by("-ended")[:MOST_ROWS]
    rows = _by_model(lately).get(model, [])
    runs = [row.ended - row.started for row in rows if row.ended and row.started]
    return max(median_low(runs), timedelta(seconds=1)) if len(runs) >= FEWEST else None


def _known_run(project: Project, model: str) -> timedelta | None:
    """The same, looked up once a minute."""
    key = f"jobs.admission.run.{project.pk}.{sha256(model.encode()).hexdigest()[:16]}"
    known: tuple[timedelta | None] | None = cache.get(key)
    if known is None:
        known = (typical_run(project, model),)
        cache.set(key, known, KEPT_SECONDS)
    return known[0]


def _by_model(rows: Iterable[Deployment]) -> Mapping[str, list[Deployment]]:
    found: defaultdict[str, list[Deployment]] = defaultdict(list)
    for row in rows:
        found[model_of(resources_of(row))].append(row)
    return found


def _ordered(project: Project, rows: Sequence[Deployment], model: str) -> list[Deployment]:
    by_pk = {row.pk: row for row in rows}
    waiting = [Waiting(row.pk, row.owner_id, row.held_since or row.created, _size(row, model)) for row in rows]
    have: defaultdict[Hashable, float] = defaultdict(float)
    for row in _at_work(project, model):
        have[row.owner_id] += _size(row, model)
    return [by_pk[one.key] for one in in_turn(waiting, have)]  # type: ignore[index]  # keys are those of the rows


def _at_work(project: Project, model: str) -> list[Deployment]:
    """The batch runs of this queue that were let in and have not ended."""
    rows = Deployment.objects.holding_quota().filter(project=project, kind=DeploymentKind.BATCH)
    rows = rows.only("request", "owner")
    return list(_by_model(rows).get(model, []))


def _size(row: Deployment, model: str) -> float:
    asked = resources_of(row)
    return float(asked.gpus if model else asked.cpu_cores)
