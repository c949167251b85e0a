"""One Serai over one data folder."""

import fcntl
import time
from pathlib import Path
from typing import IO

from dashboard.stack import CannotStart

PATIENCE_SECONDS = 30


def take(data: Path) -> IO[str]:
    """Hold the folder until the returned file is closed, or this process ends."""
    file = (data / "serve.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotStart(
            f"another Serai runs over {data}. Stop it first, or give this one a folder of its own by SERAI_DATA."
        ) from None
    return file


def wait_for_former(data: Path) -> None:
    """If the last start was killed with -9, its processes may still be on their way out."""
    until = time.monotonic() + PATIENCE_SECONDS
    while _former_supervisor_runs(data):
        if time.monotonic() > until:
            raise CannotStart(f"the supervisor of a former start over {data} does not end; stop it by hand.")
        time.sleep(0.2)


def _former_supervisor_runs(data: Path) -> bool:
    try:
        pid = int((data / "supervisord.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"supervisord" in command and Path(f"/proc/{pid}/cwd").resolve() == data
    except (OSError, ValueError):
        return False
