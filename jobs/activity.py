"""Does anybody or anything work in it? What the server of a development environment itself says of that.

It is asked from inside, with the deployment's own credentials, and the asking counts as no work.
"""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from . import tools
from .models import Deployment

TIMEOUT_SECONDS = 5.0
ANSWER_BYTES = 1_000_000
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, and quicker than reading all authorities each time


@dataclass(frozen=True)
class Activity:
    busy: bool = False  # works at this moment
    last: datetime | None = None  # when it last did, as it remembers


class NoAnswer(Exception):
    """It said nothing that can be used: whether it works is not known."""


Ask = Callable[[str], Any]


def look(deployment: Deployment) -> Activity | None:
    """What its servers say, all together; None if one of them does not say, and what does not tell says nothing."""
    try:
        seen = [_asked(deployment, endpoint) for endpoint in deployment.endpoints]
    except NoAnswer:
        return None
    times = [one.last for one in seen if one.last]
    return Activity(any(one.busy for one in seen), max(times, default=None))


def _asked(deployment: Deployment, endpoint: Mapping[str, Any]) -> Activity:
    port = tools.port_of(deployment, endpoint["label"])
    if port is None or not port.activity:
        return Activity()
    headers = tools.login(deployment, endpoint["label"]).headers()
    address = f"http://{endpoint['host']}:{endpoint['port']}"
    try:
        return READERS[port.activity](lambda path: _get(address + path, headers))
    except (httpx.HTTPError, ValueError, TypeError, KeyError, AttributeError, OSError, OverflowError) as error:
        raise NoAnswer(str(error)) from error


def _get(address: str, headers: Mapping[str, str]) -> Any:
    """A small JSON document, within the time: this is somebody's program, and may say anything at any pace."""
    until, body = time.monotonic() + TIMEOUT_SECONDS, b""
    with httpx.stream(
        "GET", address, headers=dict(headers), timeout=TIMEOUT_SECONDS, trust_env=False, verify=PLAIN
    ) as answer:
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > ANSWER_BYTES or time.monotonic() > until:
                raise NoAnswer(address)
    return json.loads(body)


# ── How each tells it ────────────────────────────────────────────────────────────────────────────
def _jupyter(ask: Ask) -> Activity:
    """A kernel that computes works, also when nobody looks."""
    # Asked in the ordinary way, the question itself would count as activity.
    kernels = ask("/api/kernels?no_track_activity=1")
    busy = any(kernel["execution_state"] in ("busy", "starting") for kernel in kernels)
    return Activity(busy, datetime.fromisoformat(ask("/api/status")["last_activity"]))


def _code_server(ask: Ask) -> Activity:
    """Its heart beats as long as an editor is open."""
    beat = float(ask("/healthz")["lastHeartbeat"]) / 1_000
    return Activity(last=datetime.fromtimestamp(beat, UTC) if beat else None)


READERS: Mapping[str, Callable[[Ask], Activity]] = {"jupyter": _jupyter, "code-server": _code_server}
