"""A module that does what a test tells it, and a deployment of it with storages."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import httpx

from accounts.models import User
from jobs import archive, services
from jobs.models import Deployment, Status, Storage, StorageKind
from jobs.requests import StorageRequest
from tests import storages

TARGET = "photos"
# Runs what it is sent, as the task that it is, and answers what that printed.
OBEYS = """
import contextlib, http.server, io, os, sys, traceback
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
here = os.environ.get("SERAI_STORAGES_DIR", "")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/swagger.json" else 404)
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            try:
                exec(self.rfile.read(int(self.headers["Content-Length"])).decode(), {"here": here})
            except Exception:
                traceback.print_exc(file=said)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said.getvalue().encode(errors="surrogateescape"))

http.server.ThreadingHTTPServer((given["--listen-ip"], int(given["--listen-port"])), Handler).serve_forever()
"""


def linked(owner: User, server: storages.Server, *, password: str = "", name: str = "Photos") -> Storage:
    """A row of Ada's for this server; linking by the service would refuse a wrong password."""
    remote = server.remote(password)
    return Storage.objects.create(
        project=owner.personal_project,
        kind=StorageKind(remote.kind),
        name=name,
        address={**remote.options, "root": remote.root},
        secrets=json.dumps(dict(remote.secrets)),
    )


def asked(storage: Storage, **how: object) -> StorageRequest:
    return StorageRequest(**{"storage": str(storage.pk), "path": "in", "target": TARGET, **how})


@dataclass
class Task:
    """The main task of a running deployment."""

    world: object
    deployment: Deployment

    def does(self, code: str) -> str:
        """What it printed; the folder of its storages is ``here``."""
        endpoint = self.deployment.endpoints[0]
        url = f"http://{endpoint['host']}:{endpoint['port']}/"
        return httpx.post(url, content=code, timeout=60).text.strip()

    def said(self, task: str = "storages", stream: str = "stdout") -> str:
        """What one of the operator's tasks wrote up to now."""
        adapter = self.world.adapter
        archive.keep(adapter, self.deployment.pk, adapter.state(self.deployment.job_id, self.deployment.namespace))
        return archive.read(self.deployment, task, stream).decode()

    def stop(self, seconds: float = 60) -> Deployment:
        services.stop(self.deployment, self.world.ada)
        return self.world.until(self.deployment, Status.STOPPED, seconds)


def mounts(agent) -> list[str]:
    """What is mounted below this agent's folder for mounts."""
    root = agent.tasks / "mounts"
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line]


def left_behind(agent, deployment: Deployment) -> list[str]:
    """Folders and processes of a deployment's storages that are still there."""
    root = agent.tasks / "mounts"
    folders = [
        str(folder) for folder in (root / deployment.job_id, root / ".state" / deployment.job_id) if folder.exists()
    ]
    return folders + [pid for pid in os.listdir("/proc") if re.fullmatch(r"\d+", pid) and _is_of(pid, deployment)]


def _is_of(pid: str, deployment: Deployment) -> bool:
    try:
        return deployment.job_id in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False
