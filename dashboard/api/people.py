"""``GET me``."""

from django.http import HttpRequest
from ninja import Router

from accounts.models import Project
from dashboard.api.schemas import MeOut, ProjectOut, QuotaOut
from dashboard.people import person
from jobs import quotas

router = Router(tags=["people"])


@router.get("me", response=MeOut, operation_id="me", summary="Who I am and what I may do")
def me(request: HttpRequest) -> MeOut:
    user = person(request)
    projects = list(Project.objects.of(user))
    return MeOut(
        username=user.username,
        name=str(user),
        email=user.email,
        capabilities=sorted(user.capabilities),
        projects=[ProjectOut.of(project, user) for project in projects],
        quotas=[
            QuotaOut(project=project.slug, name=meter.name, limit=meter.limit, used=meter.used)
            for project in projects
            for meter in quotas.meters(project)
        ],
    )
