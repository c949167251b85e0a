"""Where a federated server is found, by those inside its datacenter and by those outside."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from datacenters.models import Datacenter
from jobs.models import Deployment, DeploymentSecret, Status

from .keys import new_certificates

FLEET = "fleet"  # the label of the server's port
CERTIFICATES = {"FLEET_CA": "authority", "FLEET_CERTIFICATE": "certificate", "FLEET_KEY": "key"}
ANSWERS = (Status.RUNNING, Status.UNKNOWN)
HTTPS_PORT = 443


@dataclass(frozen=True)
class Place:
    """``host:port`` as Flower's programs take it, and the authority its certificate is known by (PEM).

    No authority: by one of those that every system knows.
    """

    address: str
    authority: str = ""


def gateway_host(server: Deployment) -> str:
    return f"{FLEET}-{server.pk}.{settings.SERAI_APPS_HOST}"


def place_of(server: Deployment, asking: Datacenter | None = None) -> Place | None:
    """Where clients reach it now: of the local datacenter its own port of this machine, else through the gateway.

    None while a port of the local datacenter is not known yet. ``asking``: where the client itself runs.
    """
    local = server.datacenter is not None and server.datacenter.local
    if not local or (asking is not None and not asking.local):
        return Place(_with_port(gateway_host(server)))
    found = next((item for item in server.endpoints if item["label"] == FLEET), None)
    if found is None or server.status not in ANSWERS:
        return None
    return Place(f"{found['host']}:{found['port']}", certificates_of(server)["FLEET_CA"])


def certificates_of(server: Deployment) -> dict[str, str]:
    """The server's own, made at the first asking and kept encrypted with its other secrets."""
    rows = DeploymentSecret.objects.filter(deployment=server, name__in=CERTIFICATES)
    kept = {row.name: str(row.value) for row in rows}
    if len(kept) < len(CERTIFICATES):
        made = new_certificates(("127.0.0.1", "localhost", urlsplit(f"//{gateway_host(server)}").hostname or ""))
        for name, part in CERTIFICATES.items():
            values = {"value": getattr(made, part)}
            DeploymentSecret.objects.update_or_create(deployment=server, name=name, defaults=values)
            kept[name] = values["value"]
    return kept


def _with_port(host: str) -> str:
    return host if urlsplit(f"//{host}").port else f"{host}:{HTTPS_PORT}"
