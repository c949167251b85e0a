"""The gateway in a real gunicorn, with the worker that Serai runs on: streams, uploads and WebSocket."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from . import serving

pytestmark = pytest.mark.slow

MB = 1024 * 1024
UPLOAD_MB = 200

# Runs in a process of its own: the server needs a database that it can open.
PREPARE = """
import json, sys
import django
django.setup()
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
call_command("migrate", verbosity=0)
from accounts.models import ApiToken, create_person
from dashboard.models import EndpointPass
from jobs.models import Deployment
ada = create_person("ada")
ports = json.loads(sys.argv[1])
deployment = Deployment.objects.create(
    project=ada.personal_project, owner=ada, asset_slug="echo", title="Echo", request={}, status="running",
    endpoints=[{"label": label, "host": "127.0.0.1", "port": port, "healthy": True} for label, port in ports.items()],
)
session = SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(ada.pk), ada.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session.create()
passes = {
    label: EndpointPass.redeem(EndpointPass.code(ada, session.session_key, deployment, label), deployment.pk, label)
    for label in ports
}
print(json.dumps({"id": str(deployment.pk), "token": ApiToken.issue(ada, "test")[1], "passes": passes}))
"""


class Streamer(BaseHTTPRequestHandler):
    """An endpoint that counts what it gets and sends piece by piece."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    closed = threading.Event()

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        count = 0
        while chunk := self.rfile.read(min(65536, left - count)):
            count += len(chunk)
        body = str(count).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        pieces = {"/large": [b"x" * MB] * UPLOAD_MB, "/silent": [b"data: 0\n\n"]}
        try:
            for piece in pieces.get(self.path, [b"data: %d\n\n" % number for number in range(4)]):
                self.wfile.write(piece)
                if self.path == "/events":
                    time.sleep(0.3)
            if self.path == "/silent":
                self.connection.settimeout(20)
                if self.connection.recv(1) == b"":
                    Streamer.closed.set()
        except OSError:
            Streamer.closed.set()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Quiet."""


@dataclass(frozen=True)
class Running:
    port: int
    process: psutil.Process
    deployment_id: str
    token: str
    passes: dict[str, str]

    def host(self, label: str) -> str:
        return f"{label}-{self.deployment_id}.apps.localhost:{self.port}"

    def cookie(self, label: str) -> str:
        return f"serai_app={self.passes[label]}"

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def memory_mb(self) -> float:
        return sum(child.memory_info().rss for child in self.process.children()) / MB


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def echo_socket(client: ServerConnection) -> None:
    for message in client:
        if message == "close":
            client.close(4003, "done")
        else:
            client.send(message)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data, port = tmp_path_factory.mktemp("serai"), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "SERAI_DATA": str(data),
        "SERAI_PORT": str(port),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }
    with serving(Streamer) as streamer, serve(echo_socket, "127.0.0.1", 0, max_size=None) as sockets:
        threading.Thread(target=sockets.serve_forever, daemon=True).start()
        ports = json.dumps({"api": streamer, "ide": sockets.socket.getsockname()[1]})
        known = json.loads(_python("-c", PREPARE, ports, environment=environment))
        process = _gunicorn(port, environment, data / "web.log")
        try:
            _wait_for(port, data / "web.log")
            yield Running(port, psutil.Process(process.pid), known["id"], known["token"], known["passes"])
        finally:
            process.terminate()
            process.wait(20)
            sockets.shutdown()


def _python(*arguments: str, environment: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=settings.BASE_DIR, check=True, capture_output=True, text=True
    ).stdout.splitlines()[-1]


def _gunicorn(port: int, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", "-k", "asgi", "--no-control-socket", "--graceful-timeout", "2"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}", "dashboard.asgi:application"],
            env=environment,
            cwd=settings.BASE_DIR,
            stdout=output,
            stderr=output,
        )


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/d/")
            assert connection.getresponse().status == 404
        except ConnectionError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(log.read_text())


def test_events_arrive_as_they_are_sent(server: Running) -> None:
    connection = server.connection()
    connection.request("GET", "/events", headers={"Host": server.host("api"), "Cookie": server.cookie("api")})
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    moments = []
    while answer.readline().strip():
        answer.readline()
        moments.append(time.monotonic())
    assert len(moments) == 4
    assert moments[-1] - moments[0] > 0.6


def test_when_the_client_leaves_a_silent_stream_the_endpoint_is_left_too(server: Running) -> None:
    Streamer.closed.clear()
    connection = server.connection()
    connection.request(
        "GET", f"/d/{server.deployment_id}/api/silent", headers={"Authorization": f"Bearer {server.token}"}
    )
    assert connection.getresponse().readline() == b"data: 0\n"
    connection.close()
    assert Streamer.closed.wait(10)


def test_200_mb_pass_up_and_down_without_filling_memory(server: Running) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    before, most = server.memory_mb(), 0.0
    connection = server.connection()
    connection.putrequest("POST", f"/d/{server.deployment_id}/api/predict")
    for name, value in (headers | {"Content-Length": str(UPLOAD_MB * MB)}).items():
        connection.putheader(name, value)
    connection.endheaders()
    for number in range(UPLOAD_MB):
        connection.send(b"x" * MB)
        if number % 20 == 0:
            most = max(most, server.memory_mb())
    assert connection.getresponse().read() == str(UPLOAD_MB * MB).encode()
    connection.request("GET", f"/d/{server.deployment_id}/api/large", headers=headers)
    answer, size = connection.getresponse(), 0
    while chunk := answer.read(MB):
        size += len(chunk)
        most = max(most, server.memory_mb()) if size % (20 * MB) == 0 else most
    assert size == UPLOAD_MB * MB
    assert most - before < 20


def test_websocket_passes_texts_bytes_and_close_codes(server: Running) -> None:
    host = server.host("ide")
    with connect(
        f"ws://{host}/terminal",
        sock=socket.create_connection(("127.0.0.1", server.port)),
        origin=f"http://{host}",  # type: ignore[arg-type]
        additional_headers={"Cookie": server.cookie("ide")},
        max_size=None,
    ) as client:
        for message in ("hello", b"\x00\x01", "x" * MB):
            client.send(message)
            assert client.recv(30) == message
        client.send("close")
        with pytest.raises(Exception, match="4003"):
            client.recv(10)


def test_django_is_behind_the_gateway(server: Running) -> None:
    connection = server.connection()
    connection.request("GET", f"/deployments/{server.deployment_id}/open/api")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location").partition("?")[0]) == (302, "/signin")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{auth}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0",
        b"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{auth}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{auth}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil\r\n{auth}\r\n",
        b"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{auth}X: a\nEvil: b\r\n\r\n",
    ],
)
def test_smuggled_requests_are_refused(server: Running, request_bytes: bytes) -> None:
    path, auth = f"/d/{server.deployment_id}/api/events", f"Authorization: Bearer {server.token}\r\n"
    sent = request_bytes.replace(b"{path}", path.encode()).replace(b"{auth}", auth.encode())
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(sent)
        status = client.recv(1000).split(b" ", 2)[1]
    assert status in (b"400", b"404", b"501")
