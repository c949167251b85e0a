"""What a tool file says, read and checked."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from datacenters.jobspec import Runtime

OPTION_PREFIX = "OPTION_"


@dataclass(frozen=True)
class ToolOption:
    """One field of the form, as the file writes it; ``jobs.options`` makes the field."""

    name: str
    type: str
    title: str
    help: str = ""
    default: Any = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[tuple[str, str], ...] = ()  # value, title

    @property
    def variable(self) -> str:
        """Where its value is in the environment of the tasks."""
        return OPTION_PREFIX + self.name.upper()


@dataclass(frozen=True)
class Authorization:
    """How the gateway shows the endpoint that it may: ``Authorization: <scheme> <value of the secret>``."""

    scheme: str
    secret: str


@dataclass(frozen=True)
class ToolPort:
    label: str
    health_path: str | None = None
    authorization: Authorization | None = None


@dataclass(frozen=True)
class ToolTask:
    name: str
    command: str = ""
    image: str = ""  # of a container
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # path in the task's folder -> content
    secrets: tuple[str, ...] = ()
    share: float = 1.0  # of the processor and memory that were asked for; GPUs are the first task's
    kill_signal: str = "SIGTERM"
    kill_timeout_seconds: int = 10


@dataclass(frozen=True)
class ToolRuntime:
    """How it runs in one way."""

    tasks: tuple[ToolTask, ...]
    requirements: str = ""  # the lock's content


@dataclass(frozen=True)
class Tool:
    id: str
    title: str
    summary: str
    description: str  # Markdown
    runtimes: Mapping[Runtime, ToolRuntime]
    ports: tuple[ToolPort, ...]
    resources: Mapping[str, float]  # what its form suggests
    least: Mapping[str, float]  # what its form takes at least
    options: tuple[ToolOption, ...] = ()
    secrets: tuple[str, ...] = ()  # made for each deployment
    tracking: bool = False  # its tasks may log runs in MLflow
    licence: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes with all that its file, scripts and lock say."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def health_path(self, label: str) -> str | None:
        return next((port.health_path for port in self.ports if port.label == label), None)

    def authorization(self, label: str) -> Authorization | None:
        return next((port.authorization for port in self.ports if port.label == label), None)


@dataclass(frozen=True)
class Shelf:
    """All tools that were found, and what is wrong with the files of others."""

    tools: Mapping[str, Tool]
    faults: Mapping[str, tuple[str, ...]]  # id -> sentences
