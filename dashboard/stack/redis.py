"""A Redis of our own where ``redis-server`` is on PATH: queue and doorbell, nothing that must be kept."""

import os
import secrets
import socket
from pathlib import Path
from urllib.parse import urlsplit

from dashboard.stack import CannotStart

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


def demand_answer(url: str) -> None:
    """Without its queue Serai would never be ready."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 6379
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        raise CannotStart(f"no Redis answers at {host}:{port} ({error.strerror or error}). Check REDIS_URL.") from None
