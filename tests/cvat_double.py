"""A stand-in for CVAT: answers the calls of CVAT's own client as they were recorded, and nothing more.

Recorded were the client's calls in their order (cvat-sdk 2.28.0 and 2.80.0) with what it reads of each answer: about,
login, one task or project, the request for an export, its state until it is finished, and the file. No real CVAT
answered: what a real one says beside this is not known here.
"""

import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

VERSION = "2.28.0"
LABELS = {"annotations/instances_default.json": '{"categories": [{"id": 1, "name": "gull"}]}', "images/1.jpg": "pixels"}


@dataclass
class Cvat:
    """What it has and what it was asked. ``busy`` answers say that the export still runs."""

    password: str
    busy: int = 2
    fails: str = ""
    calls: list[str] = field(default_factory=list)
    exports: list[dict[str, list[str]]] = field(default_factory=list)
    address: str = ""
    files: dict[str, str] = field(default_factory=lambda: dict(LABELS))

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@contextmanager
def running(password: str, **how: Any) -> Iterator[Cvat]:
    cvat = Cvat(password, **how)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"cvat": cvat}))
    cvat.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield cvat
    server.shutdown()


class Handler(http.server.BaseHTTPRequestHandler):
    cvat: Cvat

    def do_GET(self) -> None:
        path = self._noted()
        if path == "/api/server/about":
            self._say({"name": "Computer Vision Annotation Tool", "description": "", "version": VERSION})
        elif not self._signed_in():
            self._say({"detail": "Authentication credentials were not provided."}, 401)
        elif path in ("/api/tasks/7", "/api/projects/3"):
            self._say(_thing(path))
        elif path == "/api/requests/export-1":
            self._say(self._state())
        elif path == "/api/exported":
            self._send(_zip(self.cvat.files), "application/zip")
        else:
            self._say({"detail": "Not found."}, 404)

    def do_POST(self) -> None:
        path = self._noted()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "/api/auth/login":
            self._login(json.loads(body))
        elif path in ("/api/tasks/7/dataset/export", "/api/projects/3/dataset/export") and self._signed_in():
            self.cvat.exports.append(parse_qs(urlsplit(self.path).query))
            self._say({"rq_id": "export-1"}, 202)
        else:
            self._say({"detail": "Not found."}, 404)

    def _noted(self) -> str:
        path = urlsplit(self.path).path
        self.cvat.calls.append(f"{self.command} {path}")
        return path

    def _login(self, given: dict[str, str]) -> None:
        if given != {"username": "serai", "password": self.cvat.password}:
            self._say({"non_field_errors": ["Unable to log in with provided credentials."]}, 400)
            return
        cookies = [("Set-Cookie", "sessionid=signed-in; Path=/"), ("Set-Cookie", "csrftoken=c; Path=/")]
        self._say({"key": "a-token"}, headers=cookies)

    def _signed_in(self) -> bool:
        return "sessionid=signed-in" in (self.headers.get("Cookie") or "")

    def _state(self) -> dict[str, Any]:
        about = {"id": "export-1", "created_date": "2026-11-21T10:00:00Z", "message": self.cvat.fails}
        about |= {"operation": {"type": "export:dataset", "target": "task"}, "progress": 0.5}
        if self.cvat.busy:
            self.cvat.busy -= 1
            return {**about, "status": "started"}
        if self.cvat.fails:
            return {**about, "status": "failed"}
        return {**about, "status": "finished", "result_url": f"{self.cvat.address}/api/exported"}

    def _say(self, answer: dict[str, Any], status: int = 200, headers: list[tuple[str, str]] | None = None) -> None:
        self._send(json.dumps(answer).encode(), "application/vnd.cvat+json", status, headers)

    def _send(self, body: bytes, kind: str, status: int = 200, headers: list[tuple[str, str]] | None = None) -> None:
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(body))), *(headers or [])]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _thing(path: str) -> dict[str, Any]:
    name, number = path.split("/")[2:]
    link = {"url": f"http://cvat{path}/jobs", "count": 1, "completed": 0, "validation": 0}
    storage = {"target_storage": None, "source_storage": None}
    common = storage | {"id": int(number), "url": f"http://cvat{path}", "name": "Birds", "jobs": link, "labels": link}
    return common | {"tasks": link, "mode": "annotation", "status": "annotation", "dimension": "2d", "subset": name}


def _zip(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()
