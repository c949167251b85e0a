"""The local datacenter: ``python -m datacenters.local --data DIR --tasks DIR --port N --token-file FILE``."""

import argparse
import asyncio
import fcntl
import logging
import os
import secrets
import signal
import sqlite3
import sys
from pathlib import Path

from . import ports
from .agent import Agent
from .http import serve
from .node import Settings, devices
from .routes import Routes

log = logging.getLogger("serai.local")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m datacenters.local", description="Serai's one-machine datacenter.")
    parser.add_argument("--data", type=Path, required=True, help="folder of its state (mode 0700)")
    parser.add_argument("--tasks", type=Path, required=True, help="folder of the tasks' files")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    parser.add_argument("--token-file", type=Path, required=True, help="made if it is missing (mode 0600)")
    parser.add_argument("--devices", type=Path, help="JSON list of simulated devices, in the shape of Nomad's nodes")
    parser.add_argument("--datacenter", default="local")
    parser.add_argument("--region", default="global")
    return parser.parse_args()


def token(file: Path) -> str:
    """The token all callers need; a new one if there is none."""
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_urlsafe(32))
    file.chmod(0o600)
    found = file.read_text().strip()
    if not found:
        raise SystemExit(f"{file} is empty: delete it, and a new token will be made.")
    return found


def settings(given: argparse.Namespace) -> Settings:
    given.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_passable(given.tasks.absolute())
    try:
        devices(given.devices)
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"--devices {given.devices} cannot be read: {error}. Correct it, or leave it out.") from error
    given.token_file.parent.mkdir(parents=True, exist_ok=True)
    return Settings(
        data=given.data.absolute(),
        tasks=given.tasks.absolute(),
        port=given.port,
        token=token(given.token_file),
        devices=given.devices,
        datacenter=given.datacenter,
        region=given.region,
    )


def make_passable(folder: Path) -> None:
    """Make this folder and the missing ones above it; tasks of other uids pass through all of them."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir()
        place.chmod(0o711)


def only_one(data: Path) -> int:
    """Two agents over one folder would run everything twice."""
    descriptor = os.open(data / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(
            f"Another local datacenter already uses {data}: end it first, or choose another --data."
        ) from None
    return descriptor


async def run(chosen: Settings) -> None:
    try:
        agent = Agent.opened(chosen)
    except sqlite3.DatabaseError as error:
        raise SystemExit(
            f"{chosen.data}/state.sqlite cannot be read ({error}). Move it away to begin anew; the jobs and variables "
            "in it are then forgotten."
        ) from error
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    try:
        routes = Routes(agent)
        server = await serve(routes.handle, routes.admits, chosen.port)
    except OSError as error:
        raise SystemExit(f"Port {chosen.port} on 127.0.0.1: {error.strerror}. Choose another --port.") from error
    await agent.resume()
    watching = [asyncio.create_task(task) for task in (agent.meter.watch(), ports.watch(agent.runners))]
    log.warning("The local datacenter answers on http://127.0.0.1:%s", chosen.port)
    await end.wait()
    server.close()
    if os.environ.get("SERAI_STOP_TASKS") == "1":
        await agent.stop_tasks()
    for task in watching:
        task.cancel()
    await agent.leave()


def main() -> None:
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    os.umask(0o077)
    chosen = settings(arguments())
    lock = only_one(chosen.data)
    asyncio.run(run(chosen))
    os.close(lock)


if __name__ == "__main__":
    main()
