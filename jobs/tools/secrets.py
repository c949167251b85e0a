"""Secrets that are made for one deployment of a tool, such as the token of its own server."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jobs.models import Deployment, DeploymentSecret

from .shelf import known, tool_of
from .tool import Tool, ToolPort

# The option by which a module is asked to have a development environment beside it, and that tool.
BESIDE, BESIDE_TOOL = "jupyterlab", "ide"


@dataclass(frozen=True)
class Login:
    """What an endpoint wants to see of whoever may use it; nothing where it wants nothing."""

    authorization: bytes = field(default=b"", repr=False)
    cookie: bytes = field(default=b"", repr=False)  # name=value

    def headers(self) -> dict[str, str]:
        shown = {"Authorization": self.authorization, "Cookie": self.cookie}
        return {name: value.decode() for name, value in shown.items() if value}


def beside(deployment: Deployment) -> Tool | None:
    """JupyterLab, where a module's deployment was asked to have it."""
    wanted = deployment.request.get("options", {}).get(BESIDE)
    return known().tools.get(BESIDE_TOOL) if wanted and tool_of(deployment.asset) is None else None


def _tools(deployment: Deployment) -> Iterator[Tool]:
    yield from filter(None, (tool_of(deployment.asset), beside(deployment)))


def secrets_of(deployment: Deployment) -> Mapping[str, str]:
    """The values by name; each is made at the first asking and stays the same from then on."""
    return {name: _value(deployment, name) for tool in _tools(deployment) for name in tool.secrets}


def port_of(deployment: Deployment, label: str) -> ToolPort | None:
    """What its tool's file says of this endpoint."""
    return next((port for tool in _tools(deployment) if (port := tool.port(label))), None)


def is_environment(deployment: Deployment) -> bool:
    """People develop in it: it ends when nobody does."""
    return any(tool.is_environment for tool in _tools(deployment))


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
