"""Making and ending tokens, which Nomad allows to management tokens alone."""

import time

from datacenters.interface import Access, JobNotFound, JobRejected, TokenRefused

from .connection import Connection

# Policies and tokens of the authoritative region reach the others within a moment.
TRIES, PAUSE_SECONDS = 20, 0.25


def give(calls: Connection, name: str, rules: str, namespace: str) -> Access:
    """A token of this policy, which is made or brought up to date first, as its namespace is.

    Without a namespace, a policy that is there stays as its operator has it: it may allow more than Serai asks for.
    """
    refusal = "The cluster refuses this"
    if namespace:
        body = {"Name": namespace, "Description": "A project of Serai"}
        calls.json(calls.nomad.namespace, method="post", body=body, refusal=refusal)
    if namespace or not _has_policy(calls, name):
        policy = {"Name": name, "Description": "Made by Serai", "Rules": rules}
        calls.json(calls.nomad.acl, "policy", name, method="post", body=policy, refusal=refusal)
    token = {"Name": name, "Type": "client", "Policies": [name]}
    made = calls.json(calls.nomad.acl, "token", method="post", body=token, refusal=refusal)
    return Access(str(made["AccessorID"]), str(made["SecretID"]))


def _has_policy(calls: Connection, name: str) -> bool:
    try:
        calls.json(calls.nomad.acl, "policy", name)
    except JobNotFound:
        return False
    return True


def end(calls: Connection, accessor: str) -> None:
    try:
        calls.json(calls.nomad.acl, "token", accessor, method="delete", refusal="This token cannot be ended")
    except (JobNotFound, JobRejected):
        return  # somebody ended it before


def accessor(calls: Connection) -> str:
    """The public name of the token that is shown; "" without access control."""
    for tries_left in reversed(range(TRIES)):
        try:
            return str(calls.json(calls.nomad.acl, "token", "self", refusal="No access control")["AccessorID"])
        except JobRejected:
            return ""
        except TokenRefused:
            if not tries_left:
                raise
        time.sleep(PAUSE_SECONDS)
    raise AssertionError  # the last try returns or raises
