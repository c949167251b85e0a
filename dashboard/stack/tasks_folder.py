"""Where the local datacenter keeps what its tasks may enter (ARCHITECTURE.md says why)."""

import os
import secrets
from pathlib import Path

from dashboard import env


def of(data: Path) -> Path:
    """``SERAI_TASKS_DIR``; as root ``/var/lib/serai/<id>``, since ``$SERAI_DATA`` is closed to tasks; else in it."""
    inside = data / "local"
    default = Path("/var/lib/serai") / _own_id(inside / "id") if os.geteuid() == 0 else inside
    return env.path("SERAI_TASKS_DIR", default)


def _own_id(file: Path) -> str:
    if not file.exists():
        file.write_text(secrets.token_hex(4))
    return file.read_text().strip()
