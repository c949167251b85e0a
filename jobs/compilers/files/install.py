"""Installs a module's package, or what a lock lists, into an environment that all its deployments share.

Runs on the node, alone.

The environment appears at its final path (it cannot be moved) and counts only with its ``.complete`` marker;
a lock keeps two deployments from installing at once. Lines that begin with ``progress:`` are shown to people,
and so are the last lines of standard error when this ends with 1.
"""

# ruff: noqa: T201
import argparse
import fcntl
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARKER = ".complete"
NOT_THE_MODULE = shutil.ignore_patterns(".git", "__pycache__", ".venv", "venv", "build", "*.egg-info", ".pytest_cache")
# What uv says that tells people how far it is.
MILESTONES = ("Resolved", "Prepared", "Installed", "Building", "Built", "Downloading")
FIND_MODELS = """
import json
from importlib.metadata import entry_points
print(json.dumps(sorted({point.name for point in entry_points(group="deepaas.v2.model")})))
"""


class InstallFailed(Exception):
    """The text is what people read."""


def main() -> int:
    os.umask(0o022)  # tasks of other users run what is installed here
    arguments = read_arguments()
    target = Path(arguments.root) / arguments.key
    try:
        with locked(target):
            if not is_complete(target):
                install(target, arguments)
    except (InstallFailed, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    progress("packages are ready")
    return 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("root", "key", "uv"):
        parser.add_argument(f"--{name}", required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--package", help="a module: a folder or an address")
    what.add_argument("--requirements", help="a lock with hashes")
    parser.add_argument("--needs", action="append", default=[], help="a program that must be there afterwards")
    return parser.parse_args()


def progress(text: str) -> None:
    print(f"progress: {text}", flush=True)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.with_suffix(".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another deployment installs the same packages; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_complete(target: Path) -> bool:
    """Also false when the Python that it was made with is gone."""
    return (target / MARKER).exists() and (target / "bin" / "python").exists()


def install(target: Path, arguments: argparse.Namespace) -> None:
    shutil.rmtree(target, ignore_errors=True)  # a half-made one
    try:
        models = install_module(target, arguments) if arguments.package else install_lock(target, arguments)
        open_to_all(target)
        (target / MARKER).write_text(json.dumps({"models": models, "python": sys.version}))
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def install_module(target: Path, arguments: argparse.Namespace) -> list[str]:
    with source_of(arguments.package) as package:
        make_environment(target, arguments)
        run([arguments.uv, *pip_install(target, package)], target)
    return check(target, arguments.needs)


def install_lock(target: Path, arguments: argparse.Namespace) -> list[str]:
    make_environment(target, arguments)
    run([arguments.uv, *pip_sync(target, arguments.requirements)], target)
    return []


def make_environment(target: Path, arguments: argparse.Namespace) -> None:
    progress("making the environment")
    run([arguments.uv, "venv", "--quiet", "--python", sys.executable, str(target)], target)
    progress("finding the packages")


@contextmanager
def source_of(package: str) -> Iterator[str]:
    """A folder is copied first: building leaves files behind, and the source is not ours to write to."""
    if not os.path.isabs(package):
        yield package
        return
    if not os.path.isdir(package):
        raise InstallFailed(f"The module's folder {package} is not there.")
    with tempfile.TemporaryDirectory(dir=os.environ.get("NOMAD_TASK_DIR")) as folder:
        copy = os.path.join(folder, os.path.basename(package.rstrip("/")) or "module")
        shutil.copytree(package, copy, ignore=NOT_THE_MODULE)
        yield copy


def pip_install(target: Path, package: str) -> list[str]:
    python = str(target / "bin" / "python")
    lock = os.path.join(package, "requirements.txt")
    constraints = ["--constraint", lock] if os.path.isfile(lock) else []
    # Compiled now, since tasks may not write here and would compile at each start.
    return ["pip", "install", "--python", python, "--compile-bytecode", *constraints, package]


def pip_sync(target: Path, lock: str) -> list[str]:
    python = str(target / "bin" / "python")
    # Wheels alone: nothing of theirs is run here.
    return ["pip", "sync", "--python", python, "--require-hashes", "--only-binary", ":all:", "--compile-bytecode", lock]


def run(command: list[str], target: Path) -> None:
    said: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=uv_env(target),
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            print(line, end="", flush=True)
            if line.startswith(MILESTONES):
                progress(line.strip()[:1].lower() + line.strip()[1:])
    if process.returncode:
        raise InstallFailed(useful(said) or f"{command[0]} ended with {process.returncode}.")


def useful(said: list[str]) -> str:
    """What went wrong, without uv's drawing: what the builder wrote last, else uv's own words."""
    lines = [line.strip(" \n×├─▶╰│") for line in said if not line.startswith(("Using Python", "Resolved", "hint:"))]
    lines = [line for line in lines if line and not line.startswith("hint:")]
    if "[stderr]" in lines:
        lines = lines[:1] + lines[lines.index("[stderr]") + 1 :][-3:]
    return " ".join(re.sub(r" @ file://[^`]*|^(error|cause): ", "", line) for line in lines[:8])


def uv_env(target: Path) -> dict[str, str]:
    """With the account's own home, where uv has its settings and its cache; a task's home is the task's folder."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    env = {**os.environ, "HOME": home, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    env["UV_PYTHON_DOWNLOADS"] = "never"  # this Python is the one that tasks may run
    if not os.access(home, os.W_OK):
        env.setdefault("UV_CACHE_DIR", str(target.parent / ".uv-cache"))
    return env


def check(target: Path, needs: list[str]) -> list[str]:
    for program in needs:
        if not (target / "bin" / program).exists():
            raise InstallFailed(f"The package does not bring {program}: it must depend on the package that does.")
    python = str(target / "bin" / "python")
    found = subprocess.run([python, "-I", "-c", FIND_MODELS], capture_output=True, text=True, check=True)
    models: list[str] = json.loads(found.stdout)
    if len(models) != 1:
        listed = ", ".join(models) or "none"
        raise InstallFailed(f"The package must bring one model (entry point deepaas.v2.model), and brings: {listed}.")
    return models


def open_to_all(target: Path) -> None:
    """Files linked from a cache have the cache's modes, whatever the umask is."""
    for folder, _folders, files in os.walk(target):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            mode = os.lstat(path).st_mode
            wanted = mode | (0o555 if mode & 0o100 else 0o444)
            if wanted != mode and not stat.S_ISLNK(mode):
                os.chmod(path, stat.S_IMODE(wanted))


if __name__ == "__main__":
    sys.exit(main())
