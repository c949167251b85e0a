"""What a running Serai chose at its start, for commands beside it: ``manage.py signin_link`` names its port."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

CHOSEN = ("SERAI_PORT", "SERAI_URL", "SERAI_LOCAL_URL", "SERAI_TASKS_DIR", "MLFLOW_URL", "REDIS_URL", "SERAI_HOMES_URL")


def write(data: Path, environment: Mapping[str, str]) -> None:
    """For this user alone: Redis' password is in its URL."""
    descriptor = os.open(data / "started.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({name: environment[name] for name in CHOSEN if environment.get(name)}, file)


def adopt(data: Path) -> None:
    """Take over what is not set here, if Serai runs over this folder now."""
    if is_running(data):
        for name, value in json.loads((data / "started.json").read_text() or "{}").items():
            os.environ.setdefault(name, value)


def is_running(data: Path) -> bool:
    """``dashboard.serve`` holds the lock for as long as it lives."""
    if not (data / "started.json").exists() or not (data / "serve.lock").exists():
        return False
    with (data / "serve.lock").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
