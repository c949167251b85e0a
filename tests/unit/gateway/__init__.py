"""The gateway, called as a server calls it, before real endpoints."""

import asyncio
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from asgiref.sync import async_to_sync

from dashboard.gateway.app import Gateway

MAIN = "127.0.0.1:8000"
Pairs = list[tuple[str, str]]


class Echo(BaseHTTPRequestHandler):
    """An endpoint that tells what it was asked, and misbehaves on request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        getattr(self, "say_" + path.strip("/").replace("-", "_"), self.echo)()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def echo(self) -> None:
        told = {"line": self.requestline, "headers": list(self.headers.items()), "body": self.read_body()}
        self.answer(200, json.dumps(told).encode(), [("Content-Type", "application/json")])

    def say_cookies(self) -> None:
        cookies = [
            "mine=1; Domain=apps.localhost; Path=/; HttpOnly",
            "serai_app=stolen",
            "SERAI_SESSION=stolen; Path=/",
            "=serai_app=stolen",
            "serai_app",
        ]
        self.answer(200, b"", [("Set-Cookie", cookie) for cookie in cookies])

    def say_redirect(self) -> None:
        self.answer(302, b"", [("Location", self.path.partition("?to=")[2].replace("PORT", str(self.own_port)))])

    def say_powers(self) -> None:
        powers = [
            ("Clear-Site-Data", '"cookies"'),
            ("Strict-Transport-Security", "max-age=9"),
            ("Alt-Svc", 'h2="evil:1"'),
            ("Service-Worker-Allowed", "/"),
            ("Content-Security-Policy", "default-src *"),
            ("Set-Cookie", "mine=1"),
            ("Connection", "X-Private"),
            ("X-Private", "1"),
            ("X-Public", "1"),
        ]
        self.answer(200, b"", powers)

    def say_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")
        self.close_connection = True

    def say_nonsense(self) -> None:
        self.wfile.write(b"this is not HTTP\r\n\r\n")
        self.close_connection = True

    def answer(self, status: int, body: bytes, headers: Pairs) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def read_body(self) -> str:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return self.read_chunks().decode("latin-1")
        return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("latin-1")

    def read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    @property
    def own_port(self) -> int:
        return self.server.server_address[1]  # type: ignore[return-value]

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler] = Echo) -> Iterator[int]:
    """An endpoint on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Answer:
    status: int = 0
    headers: Pairs = field(default_factory=list)
    body: bytes = b""
    whole: bool = False

    def __getitem__(self, name: str) -> str:
        return next(value for key, value in self.headers if key.lower() == name.lower())

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def told(self) -> dict[str, str]:
        """The headers that the endpoint got, if it was an echo."""
        return {name.lower(): value for name, value in self.json["headers"]}


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """What stands behind the gateway in these tests; like Django it takes the whole body first."""
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.disconnect":
        return
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"pages"})


def scope_of(kind: str, host: str, path: str, headers: Iterable[tuple[str, str]], method: str = "GET") -> Any:
    raw_path, _, query = path.partition("?")
    pairs = [("host", host), *headers] if host else list(headers)
    return {
        "type": kind,
        "method": method,
        "path": raw_path,
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
        "client": ("192.0.2.7", 4711),
        "subprotocols": [],
    }


def call(
    path: str = "/",
    host: str = MAIN,
    *,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | Iterable[bytes] | None = None,
    gateway: Gateway | None = None,
) -> Answer:
    """One request through the gateway, as gunicorn would pass it on."""
    pairs = list(headers)
    chunks = [body] if isinstance(body, bytes) else list(body or ())
    if isinstance(body, bytes):
        pairs.append(("content-length", str(len(body))))
    elif body is not None:
        pairs.append(("transfer-encoding", "chunked"))
    answer = Answer()
    waiting = iter([*chunks, None])

    async def receive() -> dict[str, Any]:
        chunk = next(waiting, "over")
        if chunk == "over":
            await asyncio.sleep(60)  # the client stays
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]
        else:
            answer.body += message.get("body", b"")
            answer.whole = not message.get("more_body", False)

    app = gateway or Gateway(pages)
    async_to_sync(app)(scope_of("http", host, path, pairs, method), receive, send)
    return answer
