"""Serai's own processes over the test's database, its data folder and its datacenter; each can be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from celery import Celery
from django.conf import settings
from django.db import connection
from redis import Redis

from accounts.models import ApiToken, User
from jobs import archive
from jobs.models import Deployment
from tests.agents import ROOT, free_port

# What the machine or the test run has set must not reach these processes.
OURS = ("SERAI_", "DJANGO_", "REDIS_", "MLFLOW_", "CELERY_", "PYTEST_")
WORKER = "celery -A dashboard.celery worker --beat --pool threads --concurrency 2 --loglevel info"
QUIET = "--without-gossip --without-mingle --without-heartbeat"
WEB = "gunicorn --worker-class asgi --no-control-socket --timeout 120 --graceful-timeout 2"


def wait_for(condition: Callable[[], object], seconds: float = 40, explain: Callable[[], object] = lambda: "") -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s\n{explain()}"
        time.sleep(0.05)
    return found


@dataclass
class Part:
    """One process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until_it_says(self, text: str, seconds: float = 40) -> None:
        wait_for(lambda: text in self.said() or self.has_ended, seconds, self.said)
        assert text in self.said(), self.said()[-3000:]

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """With -9, as when memory runs out; beat ends with its worker."""
        self.process.kill()
        self.process.wait(10)

    def end(self) -> None:
        if not self.has_ended:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)


@dataclass
class Site:
    data: Path
    broker: str = ""  # of Redis; empty: files
    variables: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    port: int = 0

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "SERAI_TEST_DATABASE": str(connection.settings_dict["NAME"]),
            "SERAI_TEST_PATIENCE": "20",
            "SERAI_DATA": str(self.data),
            "SERAI_SECRET_KEY": settings.SERAI_SECRET_KEY,
            "REDIS_URL": self.broker,
            **self.variables,
        }

    # ── Processes ────────────────────────────────────────────────────────────────────────────────
    def worker(self) -> Part:
        worker = self._start("worker", WORKER + " " + QUIET)
        worker.wait_until_it_says(" ready.")
        return worker

    def watcher(self) -> Part:
        sign = self.data / "heartbeats" / "watcher"
        sign.unlink(missing_ok=True)
        watcher = self._start("watcher", f"{sys.executable} manage.py watch")
        wait_for(sign.exists, explain=watcher.said)
        return watcher

    def web(self, workers: int = 1) -> Part:
        self.port = free_port()
        apps = {"SERAI_PORT": str(self.port)}
        web = self._start(
            "web", f"{WEB} --workers {workers} --bind 127.0.0.1:{self.port} dashboard.asgi:application", **apps
        )
        wait_for(self._answers, explain=web.said)
        return web

    def _start(self, name: str, command: str, **variables: str) -> Part:
        log = self.data / f"{name}-{len(self.parts)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command.split(),
                cwd=ROOT,
                env=self.environment | variables,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.parts.append(Part(name, process, log))
        return self.parts[-1]

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/api/v1/openapi.json", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def end(self) -> None:
        for part in self.parts:
            if not part.has_ended:
                part.process.terminate()
        for part in self.parts:
            part.end()

    def said(self) -> str:
        """What the processes said last, for a failing test."""
        return "".join(f"\n── {part.log.name}\n{part.said()[-3000:]}" for part in self.parts)

    # ── People ───────────────────────────────────────────────────────────────────────────────────
    def client_of(self, person: User, **settings: Any) -> httpx.Client:
        """A script of theirs, for ``deployments`` and the other routes."""
        _token, plain = ApiToken.issue(person, "test")
        base = f"http://127.0.0.1:{self.port}/api/v1/"
        return httpx.Client(base_url=base, headers={"Authorization": f"Bearer {plain}"}, **{"timeout": 60, **settings})

    def ring(self, task: str, pk: UUID) -> None:
        """What a web process does for each deployment."""
        app = Celery(broker=self.broker or "filesystem://")
        folder = str(self.data / "broker")
        if not self.broker:
            app.conf.broker_transport = "dashboard.folder_broker:Transport"
            app.conf.broker_transport_options = {
                "data_folder_in": folder,
                "data_folder_out": folder,
                "control_folder": f"{folder}/control",
            }
        app.send_task(task, [str(pk)], ignore_result=True)
        app.close()

    def messages(self) -> int:
        """How many rings wait for a worker."""
        if self.broker:
            return int(Redis.from_url(self.broker).llen("celery"))
        return len(list((self.data / "broker").glob("*.celery.msg")))

    def until(self, deployment: Deployment, condition: Any, seconds: float = 40) -> Deployment:
        """Wait until it is in this status, or fulfils this condition; nothing is done for it here."""
        fulfilled = condition if callable(condition) else lambda row: row.status == condition

        def look() -> bool:
            deployment.refresh_from_db()
            return bool(fulfilled(deployment))

        wait_for(look, seconds, lambda: f"{story(deployment)}{self.said()}")
        return deployment


def story(deployment: Deployment) -> str:
    """All that a person could read of it."""
    events = "".join(f"\n  {event.verb}: {event.sentence}" for event in deployment.events.all())
    log = archive.read(deployment, "main", "stderr", tail=5).decode(errors="replace")
    return f"{deployment.status} ({deployment.stage}): {deployment.reason} {deployment.advice}{events}\n{log}"
