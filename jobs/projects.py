"""What projects are told that know what runs in them."""

from django.db import transaction
from django.utils.translation import ngettext

from accounts import services
from accounts.models import Project, User

from .models import Deployment
from .refusals import NotPossibleNow

NAMED = 3


def archive(project: Project, actor: User) -> None:
    """Close a project in which nothing runs. What it had stays readable to its managers."""
    with transaction.atomic():
        # Whoever deploys waits for this row, and looks at it again.
        Project.objects.select_for_update().get(pk=project.pk)
        services.archive_project(project, actor)
        live = Deployment.objects.filter(project=project).live()
        if live:
            raise NotPossibleNow(_still_there([deployment.title for deployment in live]))


def _still_there(titles: list[str]) -> str:
    named = ", ".join(f"“{title}”" for title in titles[:NAMED]) + (", …" if len(titles) > NAMED else "")
    sentence = ngettext(
        "%(count)d deployment still runs or waits here: %(named)s. Stop it first.",
        "%(count)d deployments still run or wait here: %(named)s. Stop them first.",
        len(titles),
    )
    return sentence % {"count": len(titles), "named": named}
