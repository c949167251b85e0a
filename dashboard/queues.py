"""The queues of a project as one person may see them, and what a plan says of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from accounts.models import Project, User
from jobs import admission
from jobs.models import Deployment
from jobs.placement import Plan
from jobs.requests import DeployRequest
from marketplace.models import Asset


@dataclass(frozen=True)
class Line:
    """One that waits. Who may not see it learns that somebody's stands there, and no more."""

    number: int
    of: int
    gpu_model: str
    expected: datetime | None
    since: datetime | None
    deployment: UUID | None
    title: str
    owner: str


def lines(project: Project, reader: User) -> Sequence[Line]:
    places = admission.places_in(project)
    seen = Deployment.objects.visible_to(reader).filter(pk__in=[place.deployment.pk for place in places])
    known = {row.pk: row for row in seen.select_related("owner")}
    return [_line(place, known.get(place.deployment.pk)) for place in places]


def _line(place: admission.Place, row: Deployment | None) -> Line:
    return Line(
        number=place.number,
        of=place.of,
        gpu_model=place.model,
        expected=place.expected,
        since=place.deployment.held_since,
        deployment=row.pk if row else None,
        title=row.title if row else "",
        owner=str(row.owner) if row else "",
    )


def with_queue(plan: Plan, request: DeployRequest, asset: Asset, owner: User) -> Plan:
    """The plan; where it would not go at once, its first word says why."""
    project = Project.objects.filter(slug=request.project).first()
    if project is None or not plan.choices:
        return plan
    said = admission.foretold(request, asset, project=project, owner=owner)
    return replace(plan, hints=(said,)) if said else plan
