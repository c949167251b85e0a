"""What is to be attached, where, and as whom."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = os.getuid() == 0
USER: dict[str, Any] = (
    {"user": int(os.environ["SERAI_TASK_UID"]), "group": int(os.environ["SERAI_TASK_GID"]), "extra_groups": []}
    if ROOT and "SERAI_TASK_UID" in os.environ
    else {}
)


class Trouble(Exception):
    """The text is what people read."""


@dataclass(frozen=True)
class Storage:
    """One entry of the plan."""

    remote: str  # rclone's name for it; its options are in the environment
    source: str  # remote:path
    target: str
    mode: str
    read_only: bool


@dataclass(frozen=True)
class Plan:
    storages: tuple[Storage, ...]
    copy_seconds: float
    flush_seconds: float
    timeout_seconds: int
    cache_mb: int


@dataclass(frozen=True)
class Place:
    root: Path
    job: str
    allocation: str

    @property
    def folder(self) -> Path:
        return self.root / self.job

    @property
    def state(self) -> Path:
        return self.root / ".state" / self.job

    def make(self) -> None:
        # To be listed by the job's tasks; where all have one user, by all.
        own = 0o750 if USER else 0o755
        for folder, mode in ((self.root, 0o711), (self.folder, own), (self.root / ".state", 0o700)):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
            folder.chmod(mode)
        if USER:
            os.chown(self.folder, 0, USER["group"])
        self.state.mkdir(mode=0o700, exist_ok=True)
