"""A server that behaves as badly as we want, in place of a Nomad that cannot be made to."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Border:
    """Answers by path; each is a function of the handler. ``asked`` are the requests that came."""

    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    otherwise: Callable[[BaseHTTPRequestHandler], None] | None = None
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append((handler.command, handler.path, dict(handler.headers)))
        path = handler.path.partition("?")[0].removeprefix("/v1/")
        (self.answers.get(path) or self.otherwise or says(404, "not found"))(handler)


def says(status: int, body: Any, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """This answer, each time; text as it is, anything else as JSON."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def first_says(times: int, first: Callable[..., None], then: Callable[..., None]) -> Callable[..., None]:
    """One answer a few times, and then another."""
    count: Counter[str] = Counter()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        count["asked"] += 1
        (first if count["asked"] <= times else then)(handler)

    return answer


def hangs(seconds: float) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda _handler: time.sleep(seconds)


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def trickles(*pieces: bytes, pause: float = 0.0, stays: float = 0.0) -> Callable[[BaseHTTPRequestHandler], None]:
    """A stream without a length, as Nomad sends its events."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(pause)
        time.sleep(stays)

    return answer


@contextmanager
def a_border(**answers):
    border = Border({name.replace("__", "/"): answer for name, answer in answers.items()})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            border.answer(self)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    border.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield border
    finally:
        server.shutdown()
        server.server_close()
