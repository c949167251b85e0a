"""The whole of Serai as its own processes, as ``make run`` starts it."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx

from dashboard.stack import ports

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"^Serai is ready: http://127\.0\.0\.1:(\d+)/$", re.MULTILINE)
PRINTED_LINK_LASTS = 600  # seconds; in truth a little longer
# What the machine or the test run has set must not reach the stack under test.
OURS = ("SERAI_", "DJANGO_", "REDIS_", "DATABASE_", "MLFLOW_", "CELERY_")


class Stack:
    """One start of ``python -m dashboard.serve`` over a data folder."""

    def __init__(self, data: Path, **variables: str) -> None:
        self.data = data
        self.port = int(variables.get("SERAI_PORT") or free_port())
        # Outside pytest's own folder, which is closed to the users that tasks run as.
        self._tasks = tempfile.TemporaryDirectory(prefix="serai-tasks-", ignore_cleanup_errors=True)
        Path(self._tasks.name).chmod(0o711)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.environment = {
            **kept,
            "SERAI_DATA": str(data),
            "SERAI_TASKS_DIR": self._tasks.name,
            "SERAI_PORT": str(self.port),
            "SERAI_MLFLOW": "0",
            "SERAI_REDIS": "0",
            **variables,
        }
        self.output = ""
        self.token = ""  # the administrator's, where SERAI_ADMIN_TOKEN_FILE asks for one

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        self._tasks.cleanup()

    def start(self) -> None:
        self.links: list[str] = []  # given out so far
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dashboard.serve"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.output += line

    def wait_until_ready(self, seconds: float = 90) -> None:
        wait_for(lambda: "Sign in" in self.output or self.process.poll() is not None, seconds, self.log)
        assert READY.search(self.output), self.log()

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(by)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(30)
        self._reader.join(5)
        return code

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, token: str = "") -> httpx.Client:
        """Ask as a script does, with this token or the administrator's."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def signin_link(self) -> str:
        """The printed one first, while it is good; then a new one each time."""
        printed = re.search(r"^Sign in .*: (\S+/welcome#\S+)$", self.output, re.MULTILINE)
        good = printed and not self.links and time.monotonic() - self.began < PRINTED_LINK_LASTS
        self.links.append(printed.group(1) if printed and good else self.manage("signin_link").strip())
        return self.links[-1]

    def get(self, path: str, token: str = "") -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def parts(self) -> dict[str, str]:
        """The state of each part, as ``/healthz`` says."""
        status, body = self.get("/healthz")
        return {name: part["state"] for name, part in json.loads(body)["parts"].items()} if status else {}

    def log(self) -> str:
        """Everything that was said, for a failing test."""
        files = sorted((self.data / "logs").glob("*.log"))
        return self.output + "".join(f"\n── {file.name}\n{file.read_text()[-3000:]}" for file in files)


def free_port() -> int:
    # Any of many: tests that run beside each other must not agree on one.
    candidates = random.sample(range(8300, 15_000), 100)
    return next(port for port in candidates if ports.is_free(port))


def wait_for(condition: Callable[[], object], seconds: float, explain: Callable[[], str] = lambda: "") -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s\n{explain()}"
        time.sleep(0.1)
