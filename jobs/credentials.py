"""Names and passwords that a deployment's own servers know, for people who need them outside Serai's gateway."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import transaction

from accounts.models import AuditEvent, User

from . import services, tools
from .models import Deployment, DeploymentSecret


@dataclass(frozen=True)
class Credential:
    endpoint: str
    user: str
    password: str = field(repr=False)


def has_some(deployment: Deployment) -> bool:
    return any(_ports(deployment))


def shown_to(actor: User, deployment: Deployment) -> tuple[Credential, ...]:
    """Those of the users that its tool names; who looked is written down. Raises PermissionDenied for viewers."""
    services.must_change(deployment, actor)
    found = tuple(_known(deployment))
    if found:
        with transaction.atomic():
            AuditEvent.record(actor, "deployment.credentials_shown", deployment, users=[one.user for one in found])
    return found


def _known(deployment: Deployment) -> Iterator[Credential]:
    for label, user, secret in _ports(deployment):
        row = DeploymentSecret.objects.filter(deployment=deployment, name=secret).first()
        if row:  # none before it was sent for the first time
            yield Credential(label, user, str(row.value))


def _ports(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Endpoint, user and the secret's name. A token or cookie alone is no login that a person could type."""
    tool = tools.tool_of(deployment.asset)
    for port in tool.ports if tool else ():
        if port.authorization and port.authorization.user:
            yield port.label, port.authorization.user, port.authorization.secret
