"""A Redis of our own where ``redis-server`` is on PATH: queue and doorbell, nothing that must be kept."""

import os
import secrets
from pathlib import Path

CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
save ""
appendonly no
maxmemory 128mb
"""


def configure(folder: Path, port: int) -> str:
    """Write ``redis.conf``, with a new password at each start; the URL for those who connect."""
    folder.mkdir(mode=0o700, exist_ok=True)
    password = secrets.token_urlsafe(24)
    descriptor = os.open(folder / "redis.conf", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(CONFIG.format(port=port, password=password, folder=folder))
    return f"redis://:{password}@127.0.0.1:{port}/0"
