"""What a tool's file tells people, on the pages of its entry."""

from django import template

from jobs.tools import tool_of
from marketplace.models import Asset

register = template.Library()


@register.inclusion_tag("components/tool_notice.html")
def tool_notice(asset: Asset) -> dict[str, str]:
    """``{% tool_notice asset %}``: what people must know before they deploy it; nothing if its file says nothing."""
    tool = tool_of(asset)
    return {"notice": tool.notice if tool else ""}
