"""What a federated server tells Serai of its clients and rounds, and what it is told in return.

The teller is a job of a project's: nothing of it is taken that has not the shape it must have.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any

from django.db.models import Q
from django.utils import timezone

from jobs.models import FINAL, Deployment, DeploymentSecret, FederationClient

from .keys import NoKey, checked_public_key

TOKEN = "REPORT_TOKEN"
PHASES = ("waiting", "running", "finished", "failed")
ROUNDS_AT_MOST, NODES_AT_MOST, TEXT_LENGTH = 2_000, 1_000, 500
GROUPS = ("train", "evaluate", "joint")
RUN_ID = re.compile(r"[0-9a-f]{32}")
SEEN_AGAIN = timedelta(seconds=10)

Json = dict[str, Any]


def may_report(server: Deployment, token: str) -> bool:
    secret = DeploymentSecret.objects.filter(deployment=server, name=TOKEN).first()
    return secret is not None and compare_digest(str(secret.value).encode(), token.encode())


def take(server: Deployment, told: Mapping[str, Any]) -> list[dict[str, str]]:
    """Write down what is new; the clients that the server is to let in."""
    changed = _take_nodes(server, told.get("nodes"))
    result, run = _result(told), str(told.get("run", ""))
    fields: Json = {} if result == server.result else {"result": result}
    if RUN_ID.fullmatch(run) and run != server.run_id:
        fields["run_id"] = run
    if fields or changed:
        Deployment.objects.filter(pk=server.pk, starts=server.starts).exclude(status__in=FINAL).change(**fields)
    there = Q(deployment=None) | Q(deployment__deleted=None)
    wanted = FederationClient.objects.filter(there, server=server, revoked=None)
    return [{"name": client.name, "public_key": client.public_key} for client in wanted]


def _result(told: Mapping[str, Any]) -> Json:
    rounds = told.get("rounds")
    now = told.get("now")
    return {
        "phase": told["phase"] if told.get("phase") in PHASES else "waiting",
        "problem": str(told.get("problem", ""))[:TEXT_LENGTH],
        "rounds": [_round(item) for item in rounds[:ROUNDS_AT_MOST] if isinstance(item, dict)]
        if isinstance(rounds, list)
        else [],
        "now": _figures(now) or None,
    }


def _round(told: Json) -> Json:
    counts = {name: _number(told.get(name)) for name in ("round", "asked", "answered", "seconds")}
    return {**counts, **{group: _figures(told.get(group)) for group in GROUPS}}


def _figures(told: object) -> dict[str, float]:
    if not isinstance(told, dict):
        return {}
    figures = {str(name)[:60]: _number(value) for name, value in list(told.items())[:20]}
    return {name: value for name, value in figures.items() if value is not None}


def _number(value: object) -> float | None:
    """No database takes what is no number."""
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if fine and isinstance(value, int | float) else None


def _take_nodes(server: Deployment, told: object) -> bool:
    """Whether a client came or went."""
    nodes = told[:NODES_AT_MOST] if isinstance(told, list) else []
    by_key = {key: node for node in nodes if isinstance(node, dict) and (key := _key(node))}
    changes = [_take_node(client, by_key.get(client.public_key)) for client in server.clients.all()]
    return any(changes)


def _key(node: Json) -> str:
    try:
        return checked_public_key(str(node.get("key", "")))
    except NoKey:
        return ""


def _take_node(client: FederationClient, node: Json | None) -> bool:
    now, online = timezone.now(), bool(node and node.get("status") == "online")
    row = FederationClient.objects.filter(pk=client.pk)
    if online:
        row.filter(Q(last_seen=None) | Q(last_seen__lt=now - SEEN_AGAIN)).update(last_seen=now)
    number = str(node.get("id", ""))[:40] if node else client.node_id
    details = {"status": str(node.get("status", ""))[:20] if node else ""}
    if (client.node_id, client.details) == (number, details):
        return False
    row.update(node_id=number, details=details)
    return True


def is_online(client: FederationClient) -> bool:
    """Whether the server has it now, by its last word."""
    recent = datetime.now(UTC) - 6 * SEEN_AGAIN
    return (
        client.revoked is None
        and client.details.get("status") == "online"
        and bool(client.last_seen and client.last_seen > recent)
    )
