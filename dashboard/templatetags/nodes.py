"""What the machine below a deployment does to it, on the deployment's page."""

from typing import Any

from django import template

from jobs import drains
from jobs.models import Deployment

register = template.Library()


@register.inclusion_tag("nodes/_drain_notice.html")
def drain_notice(deployment: Deployment) -> dict[str, Any]:
    """``{% drain_notice deployment %}``: that its machine is being emptied; nothing as long as it is not."""
    node = drains.drained_node_of(deployment)
    follows = drains.what_follows(deployment, node.drain_until) if node else ""
    return {"node": node, "follows": follows}
