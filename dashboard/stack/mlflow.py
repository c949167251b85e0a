"""``python -m dashboard.stack.mlflow``: install MLflow's own environment where it is missing, then become its server.

What it is at goes to ``$SERAI_DATA/mlflow/state.json``, which ``jobs.tracking.server`` reads.
"""

import fcntl
import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from dashboard.stack import sandbox, web

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = ROOT / ".envs" / "mlflow"
LOCK = ROOT / "requirements" / "mlflow.txt"
UV = Path(sys.executable).with_name("uv")
RULES = Path(__file__).with_name("mlflow_rules")
PATIENCE_SECONDS = 60

# Everyone sees only what they were given; checked passwords are remembered for a minute (hashing
# one takes 300 ms, and clients send it with every request).
AUTH = """\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{folder}/users.sqlite3
admin_username = admin
authorization_function = serai_mlflow:authenticate
auth_cache_ttl_seconds = 60
"""


def main() -> None:
    os.umask(0o022)  # the environment belongs to the checkout, whoever starts a Serai of it
    folder = Path(os.environ["SERAI_DATA"]) / "mlflow"
    folder.mkdir(mode=0o700, exist_ok=True)

    def report(state: str, detail: str = "") -> None:
        draft = folder / "state.json.new"
        draft.write_text(json.dumps({"state": state, "detail": detail}))
        draft.rename(folder / "state.json")

    report("starting")
    if "--after-pages" in sys.argv:
        # Its start keeps a processor busy for many seconds.
        web.wait_for_pages(PATIENCE_SECONDS)
    try:
        install(report)
    except subprocess.CalledProcessError as error:
        report("down", "MLflow's packages could not be installed; it is tried again.")
        sys.exit(f"uv ended with {error.returncode}")
    report("starting")
    address = urlsplit(os.environ["MLFLOW_URL"])
    # Isolated: this folder's own modules must not stand in the way of MLflow's.
    python = str(ENVIRONMENT / "bin" / "python")
    program = [python, "-I", "-u", str(Path(__file__).with_name("become_mlflow.py"))]
    os.umask(0o077)
    os.chdir(folder)
    confine(folder)
    os.execve(python, [*program, *arguments(folder, address.port or 5000)], environment(folder))


def install(report: Callable[[str, str], None]) -> None:
    """Bring the environment to what its lock file says; two Serais of one clone take turns."""
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    stamp, wanted = ENVIRONMENT / ".serai-installed", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    with ENVIRONMENT.with_suffix(".lock").open("a") as turn:
        report("installing", "")
        fcntl.flock(turn, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        make = [str(UV), "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(ENVIRONMENT)]
        subprocess.run(make, check=True)
        sync(report)
        stamp.write_text(wanted)


def sync(report: Callable[[str, str], None]) -> None:
    python = ENVIRONMENT / "bin" / "python"
    command = [str(UV), "pip", "sync", "--require-hashes", "--python", str(python), str(LOCK)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            print(line, end="", flush=True)
            if not line.startswith(" + "):
                report("installing", line.strip())
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)


def confine(folder: Path) -> None:
    """It opens paths that its clients had a say in: let it read programs, and write in its own folder alone."""
    (folder / "tmp").mkdir(mode=0o700, exist_ok=True)
    python = (ENVIRONMENT / "bin" / "python").resolve().parent.parent
    system = [Path("/", name) for name in ("usr", "lib", "lib64", "bin", "sbin", "etc", "proc", "sys")]
    devices = [Path("/dev", name) for name in ("null", "zero", "random", "urandom")]
    try:
        sandbox.restrict(readable=[ENVIRONMENT, python, Path(__file__).parent, *system], writable=[folder, *devices])
    except sandbox.NoSandbox as error:
        print(f"MLflow runs without Landlock ({error}): it may open what this account may.", flush=True)


def arguments(folder: Path, port: int) -> list[str]:
    """One worker; artifacts go through the server, so that clients need no other access."""
    apps_host = os.environ.get("SERAI_APPS_HOST") or f"apps.localhost:{os.environ['SERAI_PORT']}"
    hosts = ["127.0.0.1", "127.0.0.1:*", "localhost", "localhost:*", f"mlflow.{apps_host}"]
    options = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
        "--app-name": "basic-auth",
        "--backend-store-uri": f"sqlite:///{folder}/runs.sqlite3",
        "--artifacts-destination": str(folder / "artifacts"),
        "--allowed-hosts": ",".join(hosts),
    }
    return ["server", *(word for option in options.items() for word in option)]


def environment(folder: Path) -> dict[str, str]:
    """What the server needs and nothing else: Serai's own keys are not its business."""
    config = folder / "auth.ini"
    config.write_text(AUTH.format(folder=str(folder).replace("%", "%%")))
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(RULES),
        "PYTHONSAFEPATH": "1",  # it stands in a folder that holds what others wrote
        "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "MALLOC_ARENA_MAX": "2",
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_PASSWORD": admin_password(folder),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 1.1 GB of memory with it, 458 MB without
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "UVICORN_ACCESS_LOG": "false",
    }


def admin_password(folder: Path) -> str:
    """Made at the first start; Serai makes the projects' accounts with it."""
    file = folder / "admin_password"
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(24))
    return file.read_text()


if __name__ == "__main__":
    main()
