"""What a tool's file tells people, on the pages of its entry."""

from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import reverse

from dashboard.form_bodies import OPTION
from jobs.models import Deployment, Status
from jobs.tools import Tool, ToolOption, references, tool_of
from marketplace.models import Asset

register = template.Library()


@register.inclusion_tag("components/tool_notice.html")
def tool_notice(asset: Asset) -> dict[str, str]:
    """``{% tool_notice asset %}``: what people must know before they deploy it; nothing if its file says nothing."""
    tool = tool_of(asset)
    return {"notice": tool.notice if tool else ""}


@register.inclusion_tag("components/tool_uses.html")
def tool_uses(deployment: Deployment) -> dict[str, Any]:
    """``{% tool_uses deployment %}``: links to the tools that do something with it, their forms filled in."""
    running = deployment.status == Status.RUNNING
    found = references.used_by(deployment) if running else ()
    return {"uses": [(tool, _address(tool, option, deployment)) for tool, option in found]}


def _address(tool: Tool, option: ToolOption, deployment: Deployment) -> str:
    values = {OPTION + option.name: str(deployment.pk), "project": deployment.project.slug}
    return f"{reverse('deploy', args=[tool.id])}?{urlencode(values)}"
