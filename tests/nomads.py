"""A real Nomad of several processes, each to be killed: a server with access control, and two clients of one datacenter."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from datacenters.clusters import POLICY
from tests.agents import free_port, nomad_binary

REGION, DATACENTER = "garden", "greenhouse"
STARTS_WITHIN = 60  # seconds
DENIED = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault,cni,bridge"
# A client that is gone is missed within seconds, not within Nomad's usual half minute.
SOON = {"heartbeat_grace": "1s", "min_heartbeat_ttl": "1s", "max_heartbeats_per_second": 100.0}


@dataclass
class Part:
    """One agent: the server, or a client."""

    folder: Path
    config: dict[str, Any]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "agent.json"
        file.write_text(json.dumps(self.config))
        command = [str(nomad_binary()), "agent", "-config", str(file)]
        with (self.folder / "log").open("ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    def kill(self) -> None:
        """As a crash would end it: tasks go on."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        process = self.processes[-1]
        if process.poll() is None:
            process.send_signal(number)
        process.wait(30)

    @property
    def lives(self) -> bool:
        return bool(self.processes) and self.processes[-1].poll() is None


@dataclass
class Nomads:
    """``parts`` are "server", "one" and "two"; ``management`` is the token of its administrator."""

    address: str
    folder: Path
    parts: dict[str, Part]
    management: str = ""

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        headers = {"X-Nomad-Token": self.management}
        answer = httpx.request(
            method, f"{self.address}/v1/{path}", json=body, headers=headers, params=query, timeout=30
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def token(self, *, lasts: str = "", policy: str = POLICY) -> dict[str, Any]:
        """A token with Serai's own policy; ``lasts`` in Nomad's words, as "2s"."""
        self.ask("POST", "acl/policy/serai", {"Name": "serai", "Rules": policy})
        body = {"Name": "serai", "Type": "client", "Policies": ["serai"]}
        made: dict[str, Any] = self.ask("POST", "acl/token", body | ({"ExpirationTTL": lasts} if lasts else {}))
        return made

    def namespace(self, name: str) -> None:
        self.ask("POST", "namespace", {"Name": name})

    def namespaces(self) -> list[str]:
        return [str(one["Name"]) for one in self.ask("GET", "namespaces")]

    def node(self, name: str) -> str:
        return next(str(node["ID"]) for node in self.ask("GET", "nodes") if node["Name"] == name)

    def eligible(self, name: str, *, yes: bool) -> None:
        word = "eligible" if yes else "ineligible"
        node_id = self.node(name)
        self.ask("POST", f"node/{node_id}/eligibility", {"NodeID": node_id, "Eligibility": word})

    def drain(self, name: str) -> None:
        node_id = self.node(name)
        self.ask("POST", f"node/{node_id}/drain", {"NodeID": node_id, "DrainSpec": {"Deadline": 10**10}})

    def wait_until_ready(self, clients: int = 2) -> None:
        wait_for(lambda: len(self._ready()) == clients)

    def _ready(self) -> list[str]:
        try:
            return [node["Name"] for node in self.ask("GET", "nodes") if _takes_jobs(node)]
        except (AssertionError, httpx.TransportError):
            return []

    def heal(self) -> None:
        """All parts up, no job left, both clients taking jobs: for the next test."""
        for part in self.parts.values():
            if not part.lives:
                part.start()
        wait_for(self._answers)
        for job in self.ask("GET", "jobs", namespace="*"):
            self.ask("DELETE", f"job/{job['ID']}", namespace=job["Namespace"], purge="true")
        self.heal_nodes()

    def heal_nodes(self) -> None:
        for name in ("one", "two"):
            node_id = self.node(name)
            body = {"NodeID": node_id, "DrainSpec": None, "MarkEligible": True}
            self.ask("POST", f"node/{node_id}/drain", body)
        self.wait_until_ready()

    def forget_namespace(self, name: str) -> None:
        """With all that is in it: Nomad deletes none that holds jobs or variables."""
        for job in self.ask("GET", "jobs", namespace=name):
            self.ask("DELETE", f"job/{job['ID']}", namespace=name, purge="true")
        for variable in self.ask("GET", "vars", namespace=name):
            self.ask("DELETE", f"var/{variable['Path']}", namespace=name)
        wait_for(lambda: not self.ask("GET", "allocations", namespace=name, filter='ClientStatus == "running"'))
        self.ask("DELETE", f"namespace/{name}")

    def _answers(self) -> bool:
        try:
            return len(self.ask("GET", "nodes")) == 2
        except (AssertionError, httpx.TransportError):
            return False


def _takes_jobs(node: dict[str, Any]) -> bool:
    return bool(node["Status"] == "ready" and node["SchedulingEligibility"] == "eligible")


@contextmanager
def nomads(folder: Path) -> Iterator[Nomads]:
    server, rpc = _server(folder / "server")
    clients = {name: _client(folder / name, name, rpc) for name in ("one", "two")}
    found = Nomads(f"http://127.0.0.1:{server.config['ports']['http']}", folder, {"server": server, **clients})
    try:
        server.start()
        found.management = _bootstrap(found.address)
        for client in clients.values():
            client.start()
        found.wait_until_ready()
        yield found
    finally:
        _end(found)


def _agent(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    ports = {kind: free_port() for kind in ("http", "rpc", "serf")}
    return {
        "region": REGION,
        "datacenter": DATACENTER,
        "name": name,
        "data_dir": str(folder / "data"),
        "bind_addr": "127.0.0.1",
        "advertise": {kind: f"127.0.0.1:{port}" for kind, port in ports.items()},
        "ports": ports,
        "acl": {"enabled": True, "token_min_expiration_ttl": "1s"},
        "disable_update_check": True,
        **more,
    }


def _server(folder: Path) -> tuple[Part, int]:
    config = _agent(folder, "server", server={"enabled": True, "bootstrap_expect": 1, **SOON})
    return Part(folder, config), int(config["ports"]["rpc"])


def _client(folder: Path, name: str, rpc: int) -> Part:
    shared = folder.parent
    client = {
        "enabled": True,
        "servers": [f"127.0.0.1:{rpc}"],
        "network_interface": "lo",
        "cpu_total_compute": 2_000,
        "memory_total_mb": 2_048,
        "options": {"fingerprint.denylist": DENIED, "driver.allowlist": "raw_exec"},
        # Two machines would share their storage; packages are each one's own.
        "meta": {
            "serai_python": "/usr/bin/python3",
            "serai_uv": shutil.which("uv") or str(Path(sys.executable).with_name("uv")),
            "serai_packages_root": str(folder / "packages"),
            "serai_storage_root": str(shared / "storage"),
        },
    }
    plugin = [{"raw_exec": [{"config": [{"enabled": True}]}]}]
    return Part(folder, _agent(folder, name, client=client, plugin=plugin))


def _bootstrap(address: str) -> str:
    answers: list[httpx.Response] = []

    def done() -> bool:
        try:
            answers.append(httpx.post(f"{address}/v1/acl/bootstrap", timeout=10))
        except httpx.TransportError:
            return False
        return answers[-1].status_code == 200

    wait_for(done)
    return str(answers[-1].json()["SecretID"])


def _end(found: Nomads) -> None:
    if found.management:
        found.heal()
        time.sleep(1)  # clients are told to stop their tasks
    for name in ("one", "two", "server"):
        if found.parts[name].lives:
            found.parts[name].end()
    # Secrets of tasks lie in small file systems of their own, which agents leave for the next start.
    for mount in psutil.disk_partitions(all=True):
        if mount.mountpoint.startswith(f"{found.folder}/"):
            subprocess.run(["umount", "--lazy", mount.mountpoint], check=False)


def wait_for(condition: Any, seconds: float = STARTS_WITHIN) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("Nomad did not become as it should.")
        time.sleep(0.1)
