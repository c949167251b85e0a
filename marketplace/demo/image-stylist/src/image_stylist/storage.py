"""Where this module keeps what must outlast it: ``SERAI_STORAGE_DIR``, or the current folder without one."""

import os
from pathlib import Path


def place(name: str) -> Path:
    """A folder there, whether it exists or not."""
    return Path(os.environ.get("SERAI_STORAGE_DIR") or ".").absolute() / name


def folder(name: str) -> Path:
    """A folder there to write in, open to the group: services and trainings of one project run as different users."""
    path = place(name)
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o2770)
    return path
