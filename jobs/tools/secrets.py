"""Secrets that are made for one deployment of a tool, such as the token of its own server."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.models import Deployment, DeploymentSecret

from .shelf import tool_of
from .tool import ToolPort


@dataclass(frozen=True)
class Login:
    """What an endpoint wants to see of whoever may use it; nothing where it wants nothing."""

    authorization: bytes = field(default=b"", repr=False)
    cookie: bytes = field(default=b"", repr=False)  # name=value

    def headers(self) -> dict[str, str]:
        shown = {"Authorization": self.authorization, "Cookie": self.cookie}
        return {name: value.decode() for name, value in shown.items() if value}


def secrets_of(deployment: Deployment) -> Mapping[str, str]:
    """The values by name; each is made at the first asking and stays the same from then on."""
    tool = tool_of(deployment.asset)
    return {name: _value(deployment, name) for name in tool.secrets} if tool else {}


def port_of(deployment: Deployment, label: str) -> ToolPort | None:
    """What its tool's file says of this endpoint."""
    tool = tool_of(deployment.asset)
    return tool.port(label) if tool else None


def is_environment(deployment: Deployment) -> bool:
    """People develop in it: it ends when nobody does."""
    tool = tool_of(deployment.asset)
    return tool is not None and tool.is_environment


def login(deployment: Deployment, label: str) -> Login:
    """What the gateway shows this endpoint, and who else asks it from inside."""
    port = port_of(deployment, label)
    shown = port.authorization if port else None
    secret = DeploymentSecret.objects.filter(deployment=deployment, name=shown.secret).first() if shown else None
    if shown is None or secret is None:
        return Login()
    if shown.cookie:
        return Login(cookie=f"{shown.cookie}={secret.value}".encode())
    return Login(authorization=shown.header(secret.value))


def certificate(deployment: Deployment, label: str) -> str:
    """The authority by which the endpoint's TLS is known, as PEM; empty where it speaks plain HTTP."""
    port = port_of(deployment, label)
    name = port.certificate if port else ""
    secret = DeploymentSecret.objects.filter(deployment=deployment, name=name).first() if name else None
    return str(secret.value) if secret else ""


def _value(deployment: Deployment, name: str) -> str:
    made = {"value": secrets.token_urlsafe(32)}
    secret, _made = DeploymentSecret.objects.get_or_create(deployment=deployment, name=name, defaults=made)
    return str(secret.value)
