"""What a token may do, found out by trying: Nomad has no question for it.

Each try leaves nothing behind: a variable is written and deleted at the path of a job that never is, and that job is
stopped, which wants the right to run jobs (submit-job) and changes nothing; a node that never is stays eligible, which
wants the right to change nodes. A plan would not do: Nomad looks for the namespace before it looks at the token.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from datacenters.interface import DatacenterError, JobNotFound, JobRejected, Rights, TokenRefused, Unreachable

from .connection import Connection

NAMESPACE, JOB = "serai-check", "serai-check"
PATH = f"nomad/jobs/{JOB}"
NO_NODE = "00000000-0000-0000-0000-000000000000"
FIRST_SIGN_SECONDS = 3


def of(calls: Connection) -> Rights:
    """Raises Unreachable, or TokenRefused for a token that the cluster does not know."""
    anywhere = calls.of_any_region()
    regions = tuple(anywhere.json(anywhere.nomad.regions))
    if calls.region not in regions:
        return Rights(regions, access_control=True)
    token = _token(calls)
    return Rights(
        regions=regions,
        access_control=token is not None,
        management=bool(token and token["Type"] == "management"),
        expires=_time(token.get("ExpirationTime")) if token else None,
        sees_nodes=_allowed(lambda: calls.json(calls.nomad.nodes, per_page="1")),
        keeps_secrets=_allowed(lambda: _keep_and_forget(calls)),
        submits=_allowed(lambda: _stop_nothing(calls)),
        hears_events=_hears(calls),
        changes_nodes=_allowed(lambda: _change_no_node(calls)),
    )


def _token(calls: Connection) -> dict[str, Any] | None:
    """None where access control is off: Nomad answers 400 then."""
    try:
        found: dict[str, Any] = calls.json(calls.nomad.acl, "token", "self", refusal="No access control")
    except JobRejected:
        return None
    return found


def _allowed(attempt: Callable[[], object]) -> bool | None:
    try:
        attempt()
    except TokenRefused:
        return False
    except (JobRejected, JobNotFound):
        return True  # it was allowed, and refused for what it was
    except DatacenterError:
        return None
    return True


def _keep_and_forget(calls: Connection) -> None:
    body = {"Path": PATH, "Namespace": NAMESPACE, "Items": {"check": "1"}}
    calls.json(calls.nomad.variable, PATH, method="put", body=body, namespace=NAMESPACE, refusal="refused")
    calls.json(calls.nomad.variable, PATH, method="delete", namespace=NAMESPACE)


def _stop_nothing(calls: Connection) -> None:
    calls.json(calls.nomad.job, JOB, method="delete", namespace=NAMESPACE)


def _change_no_node(calls: Connection) -> None:
    calls.json(calls.nomad.node, NO_NODE, "eligibility", method="post", body={"Eligibility": "eligible"}, refusal="no")


def _hears(calls: Connection) -> bool | None:
    """A token that may not answers 200 and then nothing."""
    query = {"topic": ["Job", "Node"], "namespace": "*"}
    try:
        with calls.stream(calls.nomad.event.stream, silence=FIRST_SIGN_SECONDS, **query) as pieces:
            return bool(next(pieces, b""))
    except TokenRefused:
        return False
    except Unreachable:
        return False
    except DatacenterError:
        return None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
