"""``python -m dashboard.serve``: prepare everything, start it under one supervisor, say when it is ready.

This process stays for as long as Serai runs, so it imports no Django: what needs Django is one
``manage.py prepare``.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured

from dashboard import env
from dashboard.stack import CannotStart, lock, ports, redis, started, supervisor, tasks_folder, terminal, web

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 150
STOP_SECONDS = 27  # API.md promises 30 in all


def main() -> int:
    os.umask(0o077)  # what it writes is for nobody else
    # Under nohup it stays when the terminal goes.
    stays = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    for name in (signal.SIGINT, signal.SIGTERM, *(() if stays else (signal.SIGHUP,))):
        signal.signal(name, _interrupt)
    try:
        with terminal.for_this_process_alone():
            serve()
    except KeyboardInterrupt:
        return 0
    except (CannotStart, ImproperlyConfigured) as error:
        print(f"Serai cannot start: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def serve() -> None:
    port = web_port()
    data = data_folder()
    with lock.take(data):
        lock.wait_for_former(data)
        claim_port(port)
        environment, names = surroundings(data, port)
        started.write(data, environment)
        code = prepare(environment)
        with supervised(data, environment, names) as process:
            wait_until_ready(port, process, data)
            announce(port, code)
            process.wait()
            raise CannotStart(f"the supervisor ended by itself; {data / 'logs' / 'supervisord.log'} says why.")


def announce(port: int, code: str) -> None:
    """On the terminal alone: a sign-in code is in no file."""
    address = env.url("SERAI_URL", f"http://127.0.0.1:{port}")
    print(f"Serai is ready: http://127.0.0.1:{port}/", flush=True)
    print(f"Sign in (one use, within 15 minutes): {address}/welcome#{code}", flush=True)


def web_port() -> int:
    port = env.number("SERAI_PORT", 8000)
    if not 0 < port < 65_536:
        raise CannotStart(f"SERAI_PORT takes a port between 1 and 65535, not {port}.")
    return port


def claim_port(port: int) -> None:
    # What a killed former start left behind gets a moment to end.
    for _ in range(25):
        if ports.is_free(port):
            return
        time.sleep(0.2)
    raise CannotStart(f"port {port} is taken by another program. Choose another one: SERAI_PORT={port + 1}.")


def data_folder() -> Path:
    data = env.path("SERAI_DATA", ROOT / "var")
    try:
        for folder in (data, data / "logs", data / "local"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        data.chmod(0o700)
        (data / "ports.json").touch()
    except OSError as error:
        raise CannotStart(f"SERAI_DATA={data} cannot be written ({error.strerror}). Choose another folder.") from None
    return data


def surroundings(data: Path, port: int) -> tuple[dict[str, str], set[str]]:
    """The environment of every process, and the names of those to start."""
    names = {"web", "worker", "watcher"}
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # threads would else spread over many heaps
        "SERAI_ROOT": str(ROOT),
        "SERAI_DATA": str(data),
        "SERAI_PORT": str(port),
        "SERAI_STOP_TASKS": str(int(env.flag("SERAI_STOP_TASKS"))),
    }
    chosen = ports.choose(data / "ports.json", ["local", "mlflow", "redis", "homes"])
    if env.flag("SERAI_LOCAL", default=True):
        names.add("local")
        environment["SERAI_LOCAL_PORT"] = str(chosen["local"])
        environment["SERAI_LOCAL_URL"] = f"http://127.0.0.1:{chosen['local']}"
        tasks = tasks_folder.of(data)
        tasks_folder.make(tasks)
        environment["SERAI_TASKS_DIR"] = str(tasks)
        make_local_token(data / "local" / "token")
    if env.flag("SERAI_HOMES", default=True):
        names.add("homes")
        environment["SERAI_HOMES_PORT"] = str(chosen["homes"])
        environment["SERAI_HOMES_URL"] = f"http://127.0.0.1:{chosen['homes']}"
    if env.flag("SERAI_MLFLOW", default=True) and not env.text("MLFLOW_URL"):
        names.add("mlflow")
        environment["MLFLOW_URL"] = f"http://127.0.0.1:{chosen['mlflow']}"
    if theirs := env.url("REDIS_URL", schemes=["redis", "rediss"]):
        redis.demand_answer(theirs)
    elif env.flag("SERAI_REDIS", default=True) and shutil.which("redis-server"):
        names.add("redis")
        environment["REDIS_URL"] = redis.configure(data / "redis", chosen["redis"])
    return environment, names


def make_local_token(file: Path) -> None:
    """Before anyone starts: the agent and those who call it read the same one."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(32))


def prepare(environment: Mapping[str, str]) -> str:
    """Database, files, presets, first administrator; a sign-in code for them."""
    command = [sys.executable, "manage.py", "prepare"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise CannotStart("the preparation failed; the lines above say why.")
    return str(json.loads(done.stdout)["signin_code"])


@contextlib.contextmanager
def supervised(data: Path, environment: Mapping[str, str], names: set[str]) -> Iterator[subprocess.Popen[bytes]]:
    """supervisord, in a session of its own: Ctrl-C reaches it through us, once."""
    commands = supervisor.read_procfile(ROOT / "Procfile")
    chosen = {name: command for name, command in commands.items() if name in names}
    (data / supervisor.CONFIG).write_text(supervisor.configuration(chosen))
    say("Starting " + ", ".join(chosen))
    process = subprocess.Popen(
        supervisor.start_command(), cwd=data, env=environment, start_new_session=True, stdin=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        if process.poll() is None:
            say("Stopping")
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ready(port: int, process: subprocess.Popen[bytes], data: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while web.healthz_status(port) != 200:
        if process.poll() is not None:
            raise CannotStart(f"the supervisor ended; {data / 'logs' / 'supervisord.log'} says why.")
        if time.monotonic() > until:
            raise CannotStart(f"it does not get ready; web.log, watcher.log and local.log in {data / 'logs'} say why.")
        time.sleep(0.1)


def say(text: str) -> None:
    # A terminal that was closed takes no more words, and is why we stop.
    with contextlib.suppress(OSError):
        print(f"· {text}", file=sys.stderr, flush=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
