"""What a tool file says, read and checked."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from datacenters.jobspec import JobKind, Lifecycle, Runtime

OPTION_PREFIX = "OPTION_"
PACKAGES = "packages"  # the type of an option


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
    of: str = ""  # of type deployment: the tool that it must be one of
    more: bool = False  # few people need it: the form folds it away

    @property
    def variable(self) -> str:
        """Where its value is in the environment of the tasks."""
        return OPTION_PREFIX + self.name.upper()


@dataclass(frozen=True)
class Authorization:
    """How the gateway shows the endpoint that it may: ``Authorization: <scheme> <value of the secret>``, or a
    ``cookie`` of that name with the value.

    With a ``user`` the value is what a password is for the scheme ``Basic``."""

    secret: str
    scheme: str = ""
    user: str = ""
    cookie: str = ""

    def header(self, value: str) -> bytes:
        shown = base64.b64encode(f"{self.user}:{value}".encode()).decode() if self.user else value
        return f"{self.scheme} {shown}".encode()


@dataclass(frozen=True)
class ToolPort:
    label: str
    health_path: str | None = None
    authorization: Authorization | None = None
    activity: str = ""  # how its server is asked whether anybody works in it: jobs/activity.py
    inside: int | None = None  # where it listens in a network of the job's own
    # Paths that programs elsewhere ask for without a login of Serai's: then nothing else passes, for nobody. One that
    # ends with a slash stands for every name below it.
    open: tuple[str, ...] = ()
    certificate: str = ""  # the secret with the authority that its TLS is known by; empty: it speaks plain HTTP


@dataclass(frozen=True)
class ToolTask:
    name: str
    command: str = ""
    image: str = ""  # of a container
    digest: str = ""  # of its image, where it is known: then no other image can take the tag's place
    lifecycle: Lifecycle = Lifecycle.MAIN
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # path in the task's folder -> content
    secrets: tuple[str, ...] = ()
    share: float = 1.0  # of the processor and memory that were asked for; GPUs are the first main task's
    kill_signal: str = "SIGTERM"
    kill_timeout_seconds: int = 10
    restarts: int = 0
    volumes: Mapping[str, str] = field(default_factory=dict)  # folder that its tasks share -> path in the container
    shared_memory_mb: int = 0


@dataclass(frozen=True)
class ToolRuntime:
    """How it runs in one way."""

    tasks: tuple[ToolTask, ...]
    requirements: str = ""  # the lock's content
    # What puts more into the environment, once its packages are there: build.py and what lies beside it.
    build: Mapping[str, str] = field(default_factory=dict)
    network: str = "host"  # or "own": containers that reach each other at 127.0.0.1

    @property
    def main(self) -> ToolTask:
        return next(task for task in self.tasks if task.lifecycle is Lifecycle.MAIN)


@dataclass(frozen=True)
class Snapshots:
    """What it keeps in the first storage that it may write to: the folder there, and the option to begin with one."""

    folder: str
    option: str


@dataclass(frozen=True)
class Tool:
    id: str
    title: str
    summary: str
    description: str  # Markdown
    runtimes: Mapping[Runtime, ToolRuntime]
    ports: tuple[ToolPort, ...]  # of a service
    resources: Mapping[str, float]  # what its form suggests
    least: Mapping[str, float]  # what its form takes at least
    kind: JobKind = JobKind.SERVICE
    notice: str = ""  # what people must know before they deploy it
    options: tuple[ToolOption, ...] = ()
    secrets: tuple[str, ...] = ()  # made for each deployment
    tracking: bool = False  # its tasks may log runs in MLflow
    snapshots: Snapshots | None = None
    script: bool = False  # its form asks for a script, which jobs/compilers puts beside its main task
    licence: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes with all that its file, scripts and lock say."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def packages(self) -> str | None:
        """The option that lists the packages of its environment."""
        return next((option.name for option in self.options if option.type == PACKAGES), None)

    def health_path(self, label: str) -> str | None:
        return next((port.health_path for port in self.ports if port.label == label), None)

    def port(self, label: str) -> ToolPort | None:
        return next((port for port in self.ports if port.label == label), None)

    @property
    def is_environment(self) -> bool:
        """People develop in it: it ends when nobody does."""
        return any(port.activity for port in self.ports)


@dataclass(frozen=True)
class Shelf:
    """All tools that were found, and what is wrong with the files of others."""

    tools: Mapping[str, Tool]
    faults: Mapping[str, tuple[str, ...]]  # id -> sentences
