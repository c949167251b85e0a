"""Secrets that are made for one deployment of a tool, such as the token of its own server."""

import secrets
from collections.abc import Mapping

from jobs.models import Deployment, DeploymentSecret

from .shelf import tool_of


def secrets_of(deployment: Deployment) -> Mapping[str, str]:
    """The values by name; each is made at the first asking and stays the same from then on."""
    tool = tool_of(deployment.asset)
    return {name: _value(deployment, name) for name in tool.secrets} if tool else {}


def authorization(deployment: Deployment, label: str) -> bytes:
    """What the endpoint wants to see as Authorization; nothing where it wants nothing."""
    tool = tool_of(deployment.asset)
    wanted = tool.authorization(label) if tool else None
    secret = DeploymentSecret.objects.filter(deployment=deployment, name=wanted.secret).first() if wanted else None
    return f"{wanted.scheme} {secret.value}".encode() if wanted and secret else b""


def _value(deployment: Deployment, name: str) -> str:
    made = {"value": secrets.token_urlsafe(32)}
    secret, _made = DeploymentSecret.objects.get_or_create(deployment=deployment, name=name, defaults=made)
    return str(secret.value)
