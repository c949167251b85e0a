"""Options that name another deployment: one of a certain tool, which must run in the same project."""

from collections.abc import Iterator
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import Project
from jobs.models import Deployment, Status
from jobs.refusals import FieldError
from jobs.requests import DeployRequest
from marketplace.models import Asset

from .shelf import known, tool_of
from .tool import Tool, ToolOption


def errors(request: DeployRequest, asset: Asset, project: Project) -> Iterator[FieldError]:
    tool = tool_of(asset)
    for option in tool.options if tool else ():
        if option.of and deployment_named(str(request.options.get(option.name, "")), option, project) is None:
            yield FieldError(f"#/options/{option.name}", why_not(option))


def deployment_named(pk: str, option: ToolOption, project: Project) -> Deployment | None:
    try:
        named = Deployment.objects.filter(pk=UUID(pk), project=project, deleted=None, status=Status.RUNNING)
    except ValueError:
        return None
    found = named.select_related("asset").first()
    tool = tool_of(found.asset) if found else None
    return found if tool and tool.id == option.of else None


def why_not(option: ToolOption) -> str:
    of = known().tools.get(option.of)
    text = _("Give the id of a deployment of “%(tool)s” that runs in this project.")
    return text % {"tool": of.title if of else option.of}


def used_by(deployment: Deployment) -> Iterator[tuple[Tool, ToolOption]]:
    """Tools that do something with this deployment, and the option that names it."""
    own = tool_of(deployment.asset)
    for tool in known().tools.values() if own else ():
        yield from ((tool, option) for option in tool.options if own and option.of == own.id)
