"""How MLflow's server is: it installs itself at the first start, comes up slowly, and may be down."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
from django.conf import settings

from jobs.tracking.client import client

State = Literal["installing", "starting", "up", "down"]


@dataclass(frozen=True)
class Status:
    state: State
    detail: str = ""


def status() -> Status:
    """One quick question to the server; what its start last wrote of itself, if it does not answer."""
    try:
        answer = client().get(f"{settings.MLFLOW_URL}/health", timeout=1)
        if answer.status_code == httpx.codes.OK:
            return Status("up")
    except httpx.HTTPError:
        pass
    return _written()


def _written() -> Status:
    """``dashboard.stack.mlflow`` writes it; a server elsewhere has no such file."""
    try:
        words = json.loads((Path(settings.MLFLOW_DATA) / "state.json").read_text())
    except (FileNotFoundError, ValueError):
        return Status("down")
    return Status(words["state"], words["detail"])
