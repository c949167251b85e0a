"""Two federated regions of a real Nomad with access control, where ``nomad`` is on PATH."""

import json
import shutil
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

from tests.agents import free_port, nomad_binary

STARTS_WITHIN = 60  # seconds
DENIED = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault,cni,bridge"


@dataclass
class Federation:
    """West has the datacenters alps and coast, east has docks."""

    west: str
    east: str
    management: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, *, region: str = "west", **query: str) -> Any:
        headers = {"X-Nomad-Token": self.management}
        response = httpx.request(
            method, f"{self.west}/v1/{path}", json=body, headers=headers, params={"region": region, **query}, timeout=30
        )
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def token(self, name: str, policy: str) -> str:
        """A token with this policy, good in both regions."""
        self.ask("POST", f"acl/policy/{name}", {"Name": name, "Rules": policy})
        token = self.ask("POST", "acl/token", {"Name": name, "Type": "client", "Policies": [name], "Global": True})
        known = {"X-Nomad-Token": token["SecretID"]}
        _wait_for(lambda: httpx.get(f"{self.east}/v1/acl/token/self", headers=known).status_code == 200)
        return str(token["SecretID"])

    def namespace(self, name: str) -> None:
        self.ask("POST", "namespace", {"Name": name})
        _wait_for(lambda: any(one["Name"] == name for one in self.ask("GET", "namespaces", region="east")))


@contextmanager
def federation(folder: Path) -> Iterator[Federation]:
    west, coast, east = (_Agent(folder / name, name) for name in ("alps", "coast", "docks"))
    found = Federation(west.address, east.address, "", folder)
    try:
        found.processes.append(west.start(region="west", server={"bootstrap_expect": 1}))
        found.management = _bootstrap(west.address)
        found.processes.append(coast.start(region="west", servers=west))
        join = {"retry_join": [f"127.0.0.1:{west.ports['serf']}"], "retry_interval": "1s"}
        found.processes.append(
            east.start(region="east", server={"bootstrap_expect": 1, "server_join": join}, replication=found.management)
        )
        _wait_for(lambda: len(_ready(found, "west")) == 2 and len(_ready(found, "east")) == 1)
        yield found
    finally:
        _end(found)


class _Agent:
    def __init__(self, folder: Path, datacenter: str) -> None:
        self.folder, self.datacenter = folder, datacenter
        self.ports = {name: free_port() for name in ("http", "rpc", "serf")}
        self.address = f"http://127.0.0.1:{self.ports['http']}"

    def start(
        self,
        *,
        region: str,
        server: dict[str, Any] | None = None,
        servers: "_Agent | None" = None,
        replication: str = "",
    ) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True)
        acl: dict[str, Any] = {"enabled": True}
        if replication:
            acl["replication_token"] = replication
        rpc = (servers or self).ports["rpc"]
        config = {
            "region": region,
            "datacenter": self.datacenter,
            "name": self.datacenter,
            "data_dir": str(self.folder / "data"),
            "bind_addr": "127.0.0.1",
            "advertise": {name: f"127.0.0.1:{port}" for name, port in self.ports.items()},
            "ports": self.ports,
            "acl": acl,
            "client": self._client(rpc),
            "plugin": [{"raw_exec": [{"config": [{"enabled": True}]}]}],
            "telemetry": {"publish_allocation_metrics": True},
            "disable_update_check": True,
        }
        if server is not None:
            config["server"] = {"enabled": True, "authoritative_region": "west", **server}
        file = self.folder / "agent.json"
        file.write_text(json.dumps(config))
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen([str(nomad_binary()), "agent", "-config", str(file)], stdout=log, stderr=log)

    def _client(self, rpc: int) -> dict[str, Any]:
        return {
            "enabled": True,
            "servers": [f"127.0.0.1:{rpc}"],
            "network_interface": "lo",
            "cpu_total_compute": 2_000,
            "options": {"fingerprint.denylist": DENIED, "driver.allowlist": "raw_exec"},
            "meta": {
                "serai_python": "/usr/bin/python3",
                "serai_uv": shutil.which("uv") or str(Path(sys.executable).with_name("uv")),
                "serai_packages_root": str(self.folder / "packages"),
                "serai_storage_root": str(self.folder / "storage"),
            },
        }


def _bootstrap(address: str) -> str:
    answers: list[httpx.Response] = []

    def done() -> bool:
        try:
            answers.append(httpx.post(f"{address}/v1/acl/bootstrap", timeout=10))
        except httpx.TransportError:
            return False
        return answers[-1].status_code == 200

    _wait_for(done)
    return str(answers[-1].json()["SecretID"])


def _ready(found: Federation, region: str) -> list[str]:
    try:
        return [node["Name"] for node in found.ask("GET", "nodes", region=region) if node["Status"] == "ready"]
    except (AssertionError, httpx.TransportError):
        return []


def _end(found: Federation) -> None:
    if found.management:
        for region in ("west", "east"):
            for job in found.ask("GET", "jobs", region=region, namespace="*") if _ready(found, region) else []:
                found.ask("DELETE", f"job/{job['ID']}", region=region, namespace=job["Namespace"])
        time.sleep(1)  # clients are told to stop their tasks
    for process in found.processes:
        process.terminate()
    for process in found.processes:
        process.wait(30)
    # Secrets of tasks lie in small file systems of their own, which agents leave for the next start.
    for mount in psutil.disk_partitions(all=True):
        if mount.mountpoint.startswith(f"{found.folder}/"):
            subprocess.run(["umount", "--lazy", mount.mountpoint], check=False)


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("The federated regions did not come up.")
        time.sleep(0.2)
