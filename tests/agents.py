"""Agents for tests: the embedded local datacenter, and a real Nomad dev agent where ``nomad`` is on PATH."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
STARTS_WITHIN = 30  # seconds
ENDS_WITHIN = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Agent:
    """A running agent and how to reach it. ``driver`` runs programs of this machine."""

    address: str
    token: str
    region: str
    datacenter: str
    driver: str
    tasks: Path
    kind: str
    command: tuple[str, ...] = ()
    log: Path = Path("/dev/null")
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)

    @property
    def pid(self) -> int:
        return self._processes[-1].pid

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Nomad-Token": self.token}

    def client(self, **settings: Any) -> httpx.Client:
        """A client for ``/v1/…`` paths."""
        settings.setdefault("timeout", 60)
        # Compressed streams come in blocks, not as they are written.
        headers = {**self.headers, "Accept-Encoding": "identity"}
        return httpx.Client(base_url=f"{self.address}/v1/", headers=headers, **settings)

    def start(self, **environment: str) -> None:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self._processes.append(process)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            if self._processes[-1].poll() is not None:
                break
            try:
                nodes = httpx.get(f"{self.address}/v1/nodes", headers=self.headers, timeout=5)
                if nodes.status_code == 200 and any(node["Status"] == "ready" for node in nodes.json()):
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"The {self.kind} agent did not start:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """End it as a crash would: its tasks go on."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it politely: its tasks go on."""
        self._end(signal.SIGTERM)

    def restart(self, **environment: str) -> None:
        """Start it again over the same folder and port (after ``kill`` or ``stop``, or in their place)."""
        self.stop()
        self.start(**environment)

    def _end(self, number: int) -> None:
        process = self._processes[-1]
        if process.poll() is None:
            process.send_signal(number)
        process.wait(ENDS_WITHIN)

    def stop_tasks_and_end(self) -> None:
        """Leave nothing behind: what tests call at their end."""
        if self._processes[-1].poll() is not None:
            self.start()
        with self.client() as client:
            for job in client.get("jobs", params={"namespace": "*"}).json():
                client.delete(f"job/{job['ID']}", params={"namespace": job["Namespace"], "purge": "true"})
            deadline = time.monotonic() + ENDS_WITHIN
            while time.monotonic() < deadline and any(map(_lives, _allocations(client))):
                time.sleep(0.1)
        self.stop()


def _allocations(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("allocations", params={"namespace": "*"}).json()
    return found


def _lives(allocation: dict[str, Any]) -> bool:
    return allocation["ClientStatus"] in ("pending", "running")


def start_local_agent(folder: Path, *, devices: Path | None = None) -> Agent:
    """The embedded local datacenter over a folder that other uids can pass through when we are root."""
    data, tasks, token_file = folder / "data", folder / "tasks", folder / "token"
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "datacenters.local", "--data", str(data), "--tasks", str(tasks)]
    command += ["--port", str(port), "--token-file", str(token_file)]
    command += ["--devices", str(devices)] if devices else []
    token_file.write_text("a-token-for-tests")
    agent = Agent(
        address=f"http://127.0.0.1:{port}",
        token="a-token-for-tests",
        region="global",
        datacenter="local",
        driver="raw_exec",
        tasks=tasks,
        kind="local",
        command=tuple(command),
        log=folder / "agent.log",
    )
    agent.start()
    return agent


def nomad_binary() -> str | None:
    return shutil.which("nomad")


def start_nomad_agent(folder: Path) -> Agent:
    """A real Nomad dev agent, on loopback and free ports."""
    binary = nomad_binary()
    if binary is None:
        raise RuntimeError("There is no nomad on PATH.")
    folder.mkdir(parents=True, exist_ok=True)
    tasks = folder / "tasks"
    http, rpc, serf = free_port(), free_port(), free_port()
    config = folder / "agent.json"
    config.write_text(json.dumps(_nomad_config(http, rpc, serf, tasks)))
    agent = Agent(
        address=f"http://127.0.0.1:{http}",
        token="",
        region="global",
        datacenter="local",
        driver="raw_exec",
        tasks=tasks,
        kind="nomad",
        command=(binary, "agent", "-dev", "-config", str(config)),
        log=folder / "agent.log",
    )
    agent.start()
    return agent


def _nomad_config(http: int, rpc: int, serf: int, tasks: Path) -> dict[str, Any]:
    meta = {
        "serai_python": "/usr/bin/python3",
        "serai_uv": shutil.which("uv") or str(Path(sys.executable).with_name("uv")),
        "serai_packages_root": str(tasks / "packages"),
        "serai_storage_root": str(tasks / "storage"),
        "serai_rclone": str(Path(sys.executable).with_name("rclone")),
        "serai_mounts_root": str(tasks / "mounts"),
        "serai_fuse": "true" if os.path.exists("/dev/fuse") else "",
    }
    denied = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault,cni,bridge"
    return {
        "region": "global",
        "datacenter": "local",
        "bind_addr": "127.0.0.1",
        "advertise": dict.fromkeys(("http", "rpc", "serf"), "127.0.0.1"),
        "ports": {"http": http, "rpc": rpc, "serf": serf},
        "client": {
            "network_interface": "lo",
            "options": {"fingerprint.denylist": denied, "driver.allowlist": "raw_exec"},
            "meta": meta,
        },
        "plugin": [{"raw_exec": [{"config": [{"enabled": True}]}]}],
        "telemetry": {"publish_allocation_metrics": True},
        "disable_update_check": True,
    }
