"""A proxy between Serai and the local datacenter that misbehaves as it is told."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

STREAMS = ("/v1/event/stream", "/v1/client/fs/logs")
WAITS = 20  # seconds that a test may take before it lets a held call go


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    kind: str = "application/json"


Pass = Callable[[], Answer]  # ask the agent itself
# What happens to a call: an answer, or None to hang up without one.
Fault = Callable[[Pass], Answer | None]


def honest(ask: Pass) -> Answer | None:
    return ask()


def says(status: int, body: str = "", kind: str = "text/plain") -> Fault:
    return lambda _ask: Answer(status, body.encode(), kind)


def half(ask: Pass) -> Answer | None:
    """The first half of the true answer."""
    told = ask()
    return Answer(told.status, told.body[: len(told.body) // 2], told.kind)


def refuses(_ask: Pass) -> Answer | None:
    return None


def loses_the_answer(ask: Pass) -> Answer | None:
    """The agent did it, and nobody hears so."""
    ask()
    return None


def slow(seconds: float) -> Fault:
    def fault(ask: Pass) -> Answer | None:
        time.sleep(seconds)
        return ask()

    return fault


def in_turn(*faults: Fault) -> Fault:
    """The first call meets the first of these, and so on; later ones pass."""
    left = iter(faults)

    def fault(ask: Pass) -> Answer | None:
        return next(left, honest)(ask)

    return fault


def changes(change: Callable[[bytes], bytes]) -> Fault:
    def fault(ask: Pass) -> Answer | None:
        told = ask()
        return Answer(told.status, change(told.body), told.kind)

    return fault


@dataclass
class Held:
    """A call that stands still, before or after the agent heard of it, until it is let go."""

    after: bool = False
    came: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def __call__(self, ask: Pass) -> Answer | None:
        told = ask() if self.after else None
        self.came.set()
        self.go.wait(WAITS)
        return told


@dataclass
class Proxy:
    """``faults`` by the start of ``METHOD /path`` (the longest that fits counts), changed at any moment."""

    target: str
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def fault(self, call: str) -> Fault:
        fitting = [start for start in self.faults if call.startswith(start)]
        return self.faults[max(fitting, key=len)] if fitting else honest

    def everywhere(self, fault: Fault) -> None:
        self.faults = dict.fromkeys(("GET ", "POST ", "PUT ", "DELETE "), fault)


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: ClassVar[Proxy]

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = f"{self.command} {self.path}"
        self.proxy.asked.append(call)
        fault = self.proxy.fault(call)
        try:
            if fault is honest and self.path.startswith(STREAMS):
                self._stream(body)
            else:
                self._answer(fault(lambda: self._ask(body)))
        except (OSError, http.client.HTTPException):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _answer(self, answer: Answer | None) -> None:
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _agent(self, body: bytes) -> http.client.HTTPResponse:
        to = urlsplit(self.proxy.target)
        connection = http.client.HTTPConnection(to.hostname or "", to.port, timeout=90)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, body, headers | {"Connection": "close"})
        return connection.getresponse()

    def _ask(self, body: bytes) -> Answer:
        told = self._agent(body)
        return Answer(told.status, told.read(), told.getheader("Content-Type") or "")

    def _stream(self, body: bytes) -> None:
        told = self._agent(body)
        self.send_response(told.status)
        self.send_header("Content-Type", told.getheader("Content-Type") or "")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while (piece := told.read1(65_536)) and self.proxy.fault(f"{self.command} {self.path}") is honest:
            self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Whoever hangs up on us may."""


@contextmanager
def a_proxy(target: str) -> Iterator[Proxy]:
    proxy = Proxy(target)
    relay = type("Relay", (_Relay,), {"proxy": proxy})
    server = _Server(("127.0.0.1", 0), relay)
    proxy.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
