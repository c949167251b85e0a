"""Who gets an answer from Flower's own servers, which ask nobody for a login."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from jobs.tools.flower.guard import OnlyOwn, OnlyPaths

CONTROL, RUNTIME = "/v1/control/start-run", "/v1/runtime/acquire-task"
NOBODY = 65_534
HOLDS = "import socket, sys; held = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"


async def flower(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


def answer(guard: Any, path: str, client: Any = None, server: Any = None) -> int:
    said: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    async_to_sync(guard)({"type": "http", "path": path, "client": client, "server": server}, None, send)
    return int(said[0]["status"])


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server


@contextmanager
def somebody(server: socket.socket, **who: Any) -> Iterator[Any]:
    """Another program that is connected; its address as the server sees it."""
    command = [sys.executable, "-I", "-S", "-c", HOLDS, str(server.getsockname()[1])]
    command[0] = "/usr/bin/python3" if who else command[0]  # other users do not get to ours
    other = subprocess.Popen(command, stdin=subprocess.PIPE, **who)
    try:
        connection, address = server.accept()
        with connection:
            yield address
    finally:
        other.communicate()


def test_this_process_may_ask_everything():
    with listening() as server, socket.create_connection(server.getsockname()) as mine:
        for path in (CONTROL, RUNTIME, "/docs"):
            assert answer(OnlyOwn(flower), path, mine.getsockname(), server.getsockname()) == 200


def test_other_programs_of_the_task_fetch_their_work_and_start_no_run():
    with listening() as server, somebody(server) as address:
        assert answer(OnlyOwn(flower), RUNTIME, address, server.getsockname()) == 200
        assert answer(OnlyOwn(flower), CONTROL, address, server.getsockname()) == 404
        assert answer(OnlyOwn(flower), "/openapi.json", address, server.getsockname()) == 404


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_jobs_programs_get_nothing():
    with listening() as server, somebody(server, user=NOBODY, group=NOBODY, extra_groups=[]) as address:
        for path in (RUNTIME, CONTROL):
            assert answer(OnlyOwn(flower), path, address, server.getsockname()) == 404
        assert answer(OnlyOwn(flower, ("/connected",)), "/connected", address, server.getsockname()) == 200


@pytest.mark.parametrize("client", [None, ("127.0.0.1", 0), ("127.0.0.1", 1), ("192.0.2.1", 4711)])
def test_an_address_that_nobody_holds_gets_nothing(client):
    with listening() as server:
        assert answer(OnlyOwn(flower), RUNTIME, client, server.getsockname()) == 404


@pytest.mark.parametrize("path", ["/health", "/v1/fleet/pull-messages"])
def test_clients_routes_are_for_everybody(path):
    assert answer(OnlyPaths(flower, ("/v1/fleet/", "/health")), path) == 200


@pytest.mark.parametrize(
    "path", [CONTROL, RUNTIME, "/", "/v1/fleet/", "/v1/fleet/../control", "/v1/fleet/a/b", "/healthy"]
)
def test_all_other_routes_are_for_nobody(path):
    assert answer(OnlyPaths(flower, ("/v1/fleet/", "/health")), path) == 404
