"""Serves one federation: Flower's SuperLink in this process, and beside it the steward who drives it.

Two doors lead to it. The one that the datacenter opened shows what clients need and nothing else. The other is for
what this task starts itself: Flower's control of runs and keys asks for no login, and whoever reached it could run
programs here and on every client.
"""

import asyncio
import logging
import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan, _parse_superlink_lifespan_config
from flwr.superlink.main import create_app

from guard import OnlyOwn, OnlyPaths
from steward import Steward

FOR_CLIENTS = ("/v1/fleet/", "/health")
INSIDE = "127.0.0.1"
ON_DISK = {"ca.pem": "FLEET_CA", "certificate.pem": "FLEET_CERTIFICATE", "key.pem": "FLEET_KEY"}


def main() -> None:
    secrets, folder = Path(os.environ["NOMAD_SECRETS_DIR"]), federation_folder()
    surroundings(folder)
    for name, variable in ON_DISK.items():
        write_for_us(secrets / name, os.environ.pop(variable))
    port = free_port()
    sys.argv = ["flower-superlink", *arguments(secrets, folder, port)]
    config = _parse_superlink_lifespan_config()
    application = create_app(config, SuperLinkLifespan)
    tls = {"ssl_certfile": str(secrets / "certificate.pem"), "ssl_keyfile": str(secrets / "key.pem")}
    quiet = {"access_log": False, "log_level": "warning", "proxy_headers": False, **tls}
    inner = uvicorn.Server(uvicorn.Config(OnlyOwn(application), host=INSIDE, port=port, **quiet))
    where = {"host": os.environ["SERVER_ADDRESS"], "port": int(os.environ["SERVER_PORT"])}
    outer = uvicorn.Server(uvicorn.Config(OnlyPaths(application, FOR_CLIENTS), lifespan="off", **where, **quiet))
    logging.getLogger("flwr").addFilter(NoChatter())
    steward = Steward(f"{INSIDE}:{port}", (secrets / "ca.pem").read_bytes(), folder)
    threading.Thread(target=steward.serve, args=(lambda: inner.started and outer.started,), daemon=True).start()
    asyncio.run(serve(inner, outer))


def federation_folder() -> Path:
    """On the project's storage: the nodes and the model of this federation stay when it is stopped."""
    folder = Path(os.environ["SERAI_STORAGE_DIR"]) / os.environ["SERAI_DEPLOYMENT_ID"]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def surroundings(folder: Path) -> None:
    """What Flower's own programs read, which it finds on the path and starts with our environment."""
    task = Path(os.environ["NOMAD_TASK_DIR"])
    report = task / "report.jsonl"
    report.unlink(missing_ok=True)
    os.environ.update(
        PATH=os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath))),
        FLWR_HOME=str(task / ".flwr"),
        FLWR_TELEMETRY_ENABLED="0",
        FLWR_DISABLE_UPDATE_CHECK="1",
        SERAI_FEDERATION_REPORT=str(report),
        SERAI_FEDERATION_MODEL=str(folder / "joint-model.npz"),
    )


def write_for_us(file: Path, content: str) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(content)


def arguments(secrets: Path, folder: Path, port: int) -> list[str]:
    files = {"--ssl-ca-certfile": "ca.pem", "--ssl-certfile": "certificate.pem", "--ssl-keyfile": "key.pem"}
    return [
        *(word for name, file in files.items() for word in (name, str(secrets / file))),
        *("--host", INSIDE, "--port", str(port), "--database", str(folder / "federation.db")),
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
    ]


class NoChatter(logging.Filter):
    """Flower tells of each question that the steward asks, every few seconds."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("ControlServicer.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((INSIDE, 0))
        return int(probe.getsockname()[1])


async def serve(inner: uvicorn.Server, outer: uvicorn.Server) -> None:
    """Both or none: when one ends, the other does."""
    serving = [asyncio.create_task(server.serve()) for server in (inner, outer)]
    await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
    inner.should_exit = outer.should_exit = True
    await asyncio.gather(*serving)


if __name__ == "__main__":
    main()
