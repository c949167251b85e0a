"""Where the local datacenter keeps what its tasks may enter (ARCHITECTURE.md says why)."""

import os
import secrets
import stat
from pathlib import Path

from dashboard import env
from dashboard.stack import CannotStart

SHARED = Path("/var/lib/serai")


def of(data: Path) -> Path:
    """``SERAI_TASKS_DIR``; as root ``/var/lib/serai/<id>``, since ``$SERAI_DATA`` is closed to tasks; else in it."""
    inside = data / "local"
    if os.geteuid() != 0 or env.text("SERAI_TASKS_DIR"):
        return env.path("SERAI_TASKS_DIR", inside)
    return SHARED / _own_id(inside / "id")


def make(folder: Path) -> None:
    """Tasks pass through the folders above to their own, and see nobody else's."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        for place in reversed(missing):
            place.mkdir()
            place.chmod(0o711)
    except OSError as error:
        raise CannotStart(
            f"the folder of tasks, {folder}, cannot be made ({error.strerror}). Choose another one by SERAI_TASKS_DIR."
        ) from None


def closed_at(folder: Path) -> Path | None:
    """The first folder on the way that another user cannot pass, if there is one."""
    way = [*reversed(folder.parents), folder]
    return next((step for step in way if step.exists() and not step.stat().st_mode & stat.S_IXOTH), None)


def _own_id(file: Path) -> str:
    if not file.exists():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_text(secrets.token_hex(4))
    return file.read_text().strip()
