"""Does a service answer? One question with a time-out, and what its answer changes."""

import re
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from datacenters.interface import Stage

from . import tools
from .compilers.module import PORT
from .deepaas.services import SILENT_SINCE
from .federation.keys import INNER_NAME
from .models import Deployment, DeploymentKind, DeploymentQuerySet, Status

TIMEOUT_SECONDS = 5
STATUS_LINE, LINE_BYTES = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]"), 1_024
# A start that takes longer than this without an answer deserves a word.
PATIENCE = timedelta(seconds=45)


@dataclass(frozen=True)
class Health:
    ok: bool
    sentence: str = ""  # why not


def probe(deployment: Deployment) -> Health:
    """Ask each endpoint once. This says that it is up, not that its predictions come back."""
    if not deployment.endpoints:
        return Health(False, _("It has no endpoint."))
    for endpoint in deployment.endpoints:
        label = endpoint["label"]
        answer = _ask(endpoint, _path(deployment, label), tools.certificate(deployment, label))
        if not answer.ok:
            several = len(deployment.endpoints) > 1
            return Health(False, f"{endpoint['label']}: {answer.sentence}") if several else answer
    return Health(True)


def _path(deployment: Deployment, label: str) -> str | None:
    """Where it answers when it is up; None: an open connection is enough."""
    port = tools.port_of(deployment, label)
    return port.health_path if port else PORT.health_path


def _ask(endpoint: dict[str, Any], path: str | None, certificate: str = "") -> Health:
    try:
        status = _get(endpoint["host"], endpoint["port"], path, certificate)
    except TimeoutError:
        return Health(False, _("It did not answer within %(seconds)d seconds.") % {"seconds": TIMEOUT_SECONDS})
    except ConnectionRefusedError:
        return Health(False, _("Nothing listens at its port."))
    except OSError as error:
        return Health(False, _("Its port does not answer as a web server does: %(error)s") % {"error": error})
    return (
        Health(True) if status < 400 else Health(False, _("It answered with status %(status)d.") % {"status": status})
    )


def to_probe() -> DeploymentQuerySet:
    """The services whose program runs."""
    up = Deployment.objects.filter(kind=DeploymentKind.SERVICE, deleted=None).select_related("asset")
    return up.filter(status=Status.RUNNING) | up.filter(status=Status.STARTING, stage=Stage.HEALTH)


def note(deployment: Deployment, health: Health) -> bool:
    """Take over what a probe found; False if nothing changed. ``deployment`` is the row as it was probed."""
    with transaction.atomic():
        return (_note_well if health.ok else _note_ill)(deployment, health)


def _note_well(deployment: Deployment, _health: Health) -> bool:
    fields = {"healthy": True, "reason": "", "advice": "", "evidence": {}, "endpoints": _marked(deployment, True)}
    row = _same(deployment)
    if row.filter(status=Status.STARTING).change(status=Status.RUNNING, status_since=timezone.now(), **fields):
        deployment.record("became ready", _("It answers."), status=Status.RUNNING)
        return True
    # Its server answers even when its predictions do not come back.
    ill = row.filter(status=Status.RUNNING, healthy=False).exclude(evidence__has_key=SILENT_SINCE)
    if ill.change(**fields):
        deployment.record("became healthy", _("It answers again."), status=Status.RUNNING)
        return True
    return False


def _note_ill(deployment: Deployment, health: Health) -> bool:
    row = _same(deployment)
    ill: dict[str, Any] = {
        "healthy": False,
        "reason": health.sentence,
        "advice": _("Look at its log, or restart it."),
        "endpoints": _marked(deployment, False),
    }
    if row.filter(status=Status.RUNNING).exclude(healthy=False).change(**ill):
        deployment.record("became unhealthy", health.sentence, status=Status.RUNNING)
        return True
    waited = timezone.now() - (deployment.started or timezone.now())
    if deployment.status == Status.STARTING and waited > PATIENCE:
        text = _("Its program started %(ago)s ago and has not answered yet. %(why)s")
        reason = text % {"ago": timesince(timezone.now() - waited), "why": health.sentence}
        slow = row.filter(status=Status.STARTING).exclude(reason=reason)
        return slow.change(reason=reason, advice=_("Its log may say what it does. It is watched on.")) == 1
    return False


def _same(deployment: Deployment) -> DeploymentQuerySet:
    """The row, if it still is the life that was probed."""
    return Deployment.objects.filter(
        pk=deployment.pk, allocation_id=deployment.allocation_id, starts=deployment.starts, wanted=True
    )


def _marked(deployment: Deployment, healthy: bool) -> list[dict[str, Any]]:
    return [{**endpoint, "healthy": healthy} for endpoint in deployment.endpoints]


def _get(host: str, port: int, path: str | None, authority: str = "") -> int:
    """The status of one GET. By hand: a library's time-out begins anew with each byte that comes."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as plain:
        if path is None:
            return HTTPStatus.OK
        connection = _secured(plain, authority) if authority else plain
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        line = _first_line(connection, deadline)
    found = STATUS_LINE.match(line)
    if not found:
        raise OSError(line[:60].decode(errors="replace").strip() or _("it closed the connection"))
    return int(found[1])


def _secured(connection: socket.socket, authority: str) -> ssl.SSLSocket:
    """The same connection by TLS, with whom this authority vouches for."""
    context = ssl.create_default_context(cadata=authority)
    return context.wrap_socket(connection, server_hostname=INNER_NAME)


def _first_line(connection: socket.socket, deadline: float) -> bytes:
    line = b""
    while b"\n" not in line and len(line) < LINE_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(LINE_BYTES)
        if not piece:
            break
        line += piece
    return line
