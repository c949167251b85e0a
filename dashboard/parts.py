"""The parts Serai is made of and what each does now, in one word and a sentence."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from datacenters.models import Cluster
from jobs import heartbeat
from jobs.tracking import server


class State(StrEnum):
    UP = "up"
    STARTING = "starting"
    INSTALLING = "installing"
    DOWN = "down"
    OFF = "off"  # not part of this installation


@dataclass(frozen=True)
class Part:
    state: State
    detail: str = ""


# Without these nothing can be accepted; with them a deployment is written down and will be sent.
ESSENTIAL = ("database", "broker")
# Until this was reached once, nobody knows where a deployment could go.
FIRST_PLACE = "local"


def states() -> dict[str, Part]:
    return {name: look() for name, look in LOOKS.items()}


def can_accept_deployments(parts: Mapping[str, Part]) -> bool:
    return all(parts[name].state == State.UP for name in ESSENTIAL) and parts[FIRST_PLACE].state != State.STARTING


def database() -> Part:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return Part(State.UP, connection.display_name) if _tables_are_current() else Part(State.STARTING)
    except DatabaseError:
        return Part(State.DOWN, _("The database does not answer."))


def broker() -> Part:
    if not settings.REDIS_URL:
        return Part(State.UP, "filesystem")
    try:
        _redis().ping()
    except redis.RedisError:
        return Part(State.DOWN, _("Redis does not answer."))
    return Part(State.UP, "redis")


def worker() -> Part:
    return _by_sign_of_life("worker")


def watcher() -> Part:
    return _by_sign_of_life("watcher")


def local_datacenter() -> Part:
    """As the watcher last saw it: health is asked often and by anyone, so it asks no agent."""
    if not settings.SERAI_LOCAL_URL:
        return Part(State.OFF)
    try:
        cluster = Cluster.objects.filter(local=True).first()
    except DatabaseError:
        return Part(State.DOWN, _("The database does not answer."))
    if cluster is None or cluster.reached is None:
        return Part(State.STARTING)
    return Part(State.DOWN, cluster.problem) if cluster.unreachable_since else Part(State.UP)


def mlflow() -> Part:
    if not settings.MLFLOW_URL:
        return Part(State.OFF)
    now = server.status()
    return Part(State(now.state), now.detail)


def homes() -> Part:
    if not settings.SERAI_HOMES_URL:
        return Part(State.OFF)
    address = urlsplit(settings.SERAI_HOMES_URL)
    try:
        socket.create_connection((address.hostname, address.port), timeout=0.5).close()
    except OSError:
        return Part(State.DOWN, _("The home storages do not answer."))
    return Part(State.UP)


LOOKS: dict[str, Callable[[], Part]] = {
    "database": database,
    "broker": broker,
    "worker": worker,
    "watcher": watcher,
    "local": local_datacenter,
    "mlflow": mlflow,
    "homes": homes,
}


def _by_sign_of_life(name: str) -> Part:
    age = heartbeat.age_seconds(name)
    if age is None:
        return Part(State.STARTING)
    if age > heartbeat.LATE_SECONDS:
        return Part(State.DOWN, _("No sign of life for %(seconds)d seconds.") % {"seconds": age})
    return Part(State.UP)


@cache
def _redis() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


_current: set[str] = set()


def _tables_are_current() -> bool:
    """Asked of the database until it is so once: tables do not go back."""
    if not _current:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        _current.add(connection.alias)
    return True
