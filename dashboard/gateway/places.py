"""Which endpoint a request is for: read from its host, or from its path on the main host. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

UUID_TEXT = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# With the id behind it a label must fit into the 63 characters of a DNS label.
LABEL_TEXT = r"[a-z0-9](?:[a-z0-9-]{0,24}[a-z0-9])?"
ON_ITS_HOST = re.compile(rf"({LABEL_TEXT})-({UUID_TEXT})\.(.+)")
HOST_AND_PORT = re.compile(r"([a-z0-9.-]+)(?::[0-9]{1,5})?")
ON_THE_MAIN_HOST = re.compile(rf"/d/({UUID_TEXT})/({LABEL_TEXT})(/.*)?".encode(), re.DOTALL)
MAIN_HOST_ROOM = b"/d/"


@dataclass(frozen=True)
class Place:
    """One endpoint as it was asked for."""

    deployment_id: UUID
    label: str
    # What stands before the endpoint's own paths; empty on a host of its own.
    prefix: str = ""


def apps_hostname() -> str:
    return (urlsplit(f"//{settings.SERAI_APPS_HOST}").hostname or "").lower()


def is_apps_host(host: str) -> bool:
    """Whether this ``Host`` is, or pretends to be, one below the host of the endpoints."""
    name = host.lower().partition(":")[0].rstrip(".")
    return name == apps_hostname() or name.endswith("." + apps_hostname())


def place_of_host(host: str) -> Place | None:
    """The endpoint whose own host this is; None unless it is written exactly as we give it out."""
    whole = HOST_AND_PORT.fullmatch(host.lower())
    found = ON_ITS_HOST.fullmatch(whole[1]) if whole else None
    if not found or found[3] != apps_hostname():
        return None
    return Place(UUID(found[2]), found[1])


def place_of_path(raw_path: bytes) -> tuple[Place, bytes] | None:
    """The endpoint that ``/d/<id>/<label>/…`` names, and its own path, byte for byte as it came."""
    found = ON_THE_MAIN_HOST.fullmatch(raw_path)
    if not found:
        return None
    deployment_id, label = found[1].decode(), found[2].decode()
    return Place(UUID(deployment_id), label, prefix=f"/d/{deployment_id}/{label}"), found[3] or b"/"
