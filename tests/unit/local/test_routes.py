"""The local datacenter has the calls that Serai's adapter makes, and no other; and its small HTTP server."""

import asyncio
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import psutil
import pytest

from datacenters.interface import JobRejected, JobStatus, Unreachable
from datacenters.jobspec import Device, JobKind, JobSpec, Resources, TaskSpec
from datacenters.local.agent import Agent
from datacenters.local.http import Request, serve
from datacenters.local.node import Settings
from datacenters.local.routes import TABLE, Answer, Route, Routes
from datacenters.nomad import TRUSTED, NomadAdapter
from tests.agents import free_port

# Not the adapter's: the contract tests see by it that a secret is gone.
FOR_TESTS = {("GET", "var/*")}


class CountedRoutes(Routes):
    """The routes, noting which are called."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.called: set[str] = set()

    def _find(self, request: Request) -> tuple[Route, tuple[str, ...]]:
        route, arguments = super()._find(request)
        self.called.add(route.__name__)
        return route, arguments


@dataclass
class Here:
    """An agent in this process."""

    port: int
    called: set[str] = field(default_factory=set)

    @property
    def adapter(self) -> NomadAdapter:
        return NomadAdapter(f"http://127.0.0.1:{self.port}", token="t", region="global", drivers=TRUSTED, timeout=10)

    def wait(self, spec: JobSpec, *wanted: JobStatus):
        deadline = time.monotonic() + 20
        while (state := self.adapter.state(spec.id, spec.namespace)).status not in wanted:
            assert time.monotonic() < deadline, state
            time.sleep(0.05)
        return state


@pytest.fixture
def here(place) -> Iterator[Here]:
    port, ready, over = free_port(), threading.Event(), threading.Event()
    found = Here(port)
    (place / "data").mkdir(mode=0o700)

    async def live() -> None:
        agent = Agent.opened(Settings(place / "data", place / "tasks", port, "t"))
        routes = CountedRoutes(agent)
        found.called = routes.called
        server = await serve(routes.handle, routes.admits, port)
        await agent.resume()
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.05)
        server.close()
        await agent.stop_tasks()
        await agent.leave()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert ready.wait(20)
    yield found
    over.set()
    thread.join(30)


def spec(script: str, kind: JobKind = JobKind.SERVICE, **task) -> JobSpec:
    main = TaskSpec("main", command="/bin/sh", args=("-c", script), **{"resources": Resources(0.1, 64), **task})
    return JobSpec(f"serai-{uuid.uuid4()}", "routes", kind, ("local",), (main,))


def test_the_adapter_makes_every_call_there_is(here):
    adapter = here.adapter
    adapter.check()
    adapter.ensure_namespace("routes")
    adapter.nodes()
    running = spec("echo hello; exec sleep 600", secrets=("KEY",))
    assert adapter.plan(running).placeable
    adapter.submit(running, {"KEY": "value"})
    state = here.wait(running, JobStatus.RUNNING)
    adapter.restart(state.allocation_id, "routes")
    here.wait(running, JobStatus.RUNNING)
    adapter.log(state.allocation_id, "routes", "main", "stdout")
    next(adapter.follow_log(state.allocation_id, "routes", "main", "stdout"))
    adapter.usage(state.allocation_id, "routes")
    waiting = spec("true", resources=Resources(0.1, 64, Device()))
    adapter.submit(waiting, {})
    assert "GPU" in adapter.state(waiting.id, "routes").reason.sentence
    assert {one.status for one in adapter.states("serai-")} == {JobStatus.RUNNING, JobStatus.PENDING}
    next(adapter.events(0))
    adapter.stop(running.id, "routes")
    adapter.purge(running.id, "routes")
    node = adapter.nodes()[0].id
    adapter.drain(node, timedelta(hours=1))
    adapter.end_drain(node, eligible=False)
    adapter.set_eligible(node, True)
    never_called = {route for route, name in TABLE.items() if name not in here.called}
    assert never_called - FOR_TESTS == set()


def raw(here: Here, *pieces: bytes, wait: float = 0) -> bytes:
    """What the server answers to these bytes."""
    with socket.create_connection(("127.0.0.1", here.port), timeout=10) as client:
        for piece in pieces:
            client.sendall(piece)
            time.sleep(wait)
        answer = b""
        with suppress(OSError):  # it may have answered and hung up already
            client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while piece := client.recv(65_536):
                answer += piece
        return answer


GET = b"GET /v1/namespaces HTTP/1.1\r\nHost: x\r\nX-Nomad-Token: t\r\n\r\n"


def test_a_request_may_come_in_pieces_and_several_in_one(here):
    assert raw(here, GET[:20], GET[20:], wait=0.1).startswith(b"HTTP/1.1 200")
    assert raw(here, GET * 3).count(b"HTTP/1.1 200") == 3


def test_what_is_no_http_is_a_400_and_the_server_goes_on(here):
    assert raw(here, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert raw(here, b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 4")
    assert raw(here, GET).startswith(b"HTTP/1.1 200")


def test_a_body_that_is_too_large_is_refused_early(here):
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Nomad-Token: t\r\nContent-Length: 99999999\r\n\r\n"
    assert raw(here, head, b"x" * 1_000).startswith(b"HTTP/1.1 413")
    chunked = head.replace(b"Content-Length: 99999999", b"Transfer-Encoding: chunked")
    assert b"HTTP/1.1 413" in raw(here, chunked, b"900000\r\n" + b"x" * 0x900000)


def test_without_a_token_even_a_wrong_body_is_403(here):
    request = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{"
    assert raw(here, request).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/jobs", "/v1/job", "/v1/job/a/b/c", "/ui/", "/v1/system/gc"])
def test_other_paths_are_404(here, path):
    assert raw(here, GET.replace(b"/v1/namespaces", path.encode())).startswith(b"HTTP/1.1 404")


def test_a_client_that_leaves_ends_its_stream(here):
    stream = GET.replace(b"namespaces", b"event/stream")
    before = psutil.Process().num_fds()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", here.port), timeout=10) as client:
            client.sendall(stream)
            heard = b""
            while b"{}" not in heard:
                heard += client.recv(1_000)
    deadline = time.monotonic() + 10
    while psutil.Process().num_fds() > before:
        assert time.monotonic() < deadline, "the server still holds the streams"
        time.sleep(0.05)


def test_many_clients_at_once(here):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(raw(here, GET))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert len(answers) == 50


def test_a_job_is_refused_with_all_its_faults_in_words(here):
    with pytest.raises(JobRejected, match=r"(?i)priority"):
        here.adapter.submit(replace(spec("true"), priority=0), {})


def test_a_fault_of_the_agents_own_is_a_500_and_in_its_log(here, monkeypatch, caplog):
    async def broken(self: Routes, _: Request) -> Answer:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Routes, "namespaces", broken)
    assert raw(here, GET).startswith(b"HTTP/1.1 500")
    assert "a fault of ours" in caplog.text
    with pytest.raises(Unreachable):
        here.adapter.check()
