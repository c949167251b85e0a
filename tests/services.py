"""PostgreSQL and Redis for tests: own servers in own folders, on free ports, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dashboard.stack import ports


@contextmanager
def postgresql() -> Iterator[str]:
    """A new, empty cluster; gives the URL of its database. Skips where PostgreSQL is not installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    folder, port, owner = Path(tempfile.mkdtemp(prefix="serai-postgresql-")), _free_port(), _postgresql_user()
    if owner:
        shutil.chown(folder, owner, owner)
    data, log = folder / "data", folder / "log"
    run = {"user": owner, "group": owner, "extra_groups": []} if owner else {}
    control = [str(programs[-1].with_name("pg_ctl")), "--pgdata", str(data), "--silent", "--wait"]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        initdb = [str(programs[-1]), "--pgdata", str(data), "--auth=trust", "--username=serai", "--encoding=UTF8"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **run)
        start = [*control, "--log", str(log), "--options", options, "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder, **run)
        yield f"postgresql://serai@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "--mode=immediate", "stop"], check=False, capture_output=True, cwd=folder, **run)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """A new, empty Redis; gives its URL. Skips where redis-server is not installed."""
    if not shutil.which("redis-server"):
        pytest.skip("Redis is not installed (apt-get install redis-server)")
    port = _free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL, cwd="/"
    )
    try:
        until = time.monotonic() + 20
        while ports.is_free(port):
            assert time.monotonic() < until, "redis-server does not start"
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    # Apart from those that the stack under test chooses from.
    return next(port for port in range(9100, 9999) if ports.is_free(port))


def _postgresql_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return pwd.getpwnam("postgres").pw_name if os.geteuid() == 0 else None
