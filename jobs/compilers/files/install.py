"""Installs a module's package, or what a lock lists, into an environment that all its deployments share.

Runs on the node, alone. Building a package runs code of other people: where the datacenter names a user for
that (``SERAI_PACKAGES_UID``), uv and all it starts run as that user, who can read nothing of Serai's, and what
came of it is made root's own afterwards. That user's builds share one cache, so they could spoil it for each other.

The environment appears at its final path (it cannot be moved) and counts only with its ``.complete`` marker;
a lock keeps two deployments from installing at once. Lines that begin with ``progress:`` are shown to people,
and so are the last lines of standard error when this ends with 1.
"""

# ruff: noqa: T201
import argparse
import ctypes
import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MARKER = ".complete"
NOT_THE_MODULE = shutil.ignore_patterns(".git", "__pycache__", ".venv", "venv", "build", "*.egg-info", ".pytest_cache")
# What uv says that tells people how far it is.
# Neither what went before, nor the drawing of a place in a file, nor the end of a long proof.
NO_CAUSE = re.compile(
    r"Using Python|Resolved|Prepared|Installed|Buil(ding|t) |Downloading|(\d+ +)?\||And because|\[stdout\]"
)
# A name, extras, versions and a condition: no option, no path, no address.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._, -]+\])?( *[<>=!~(][^@/]*)?( *;.*)?")
MILESTONES = ("Resolved", "Prepared", "Installed", "Building", "Built", "Downloading")
FIND_MODELS = """
import json
from importlib.metadata import entry_points
print(json.dumps(sorted({point.name for point in entry_points(group="deepaas.v2.model")})))
"""


PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
# Empty where this does not run as root: then everything is one user's.
BUILDER = {
    name: int(os.environ[variable])
    for name, variable in (("user", "SERAI_PACKAGES_UID"), ("group", "SERAI_PACKAGES_GID"))
    if os.getuid() == 0 and variable in os.environ
}


class InstallFailed(Exception):
    """The text is what people read."""


def main() -> int:
    os.umask(0o022)  # tasks of other users run what is installed here
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
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
    what.add_argument("--packages", help="a list of names, one a line, as somebody wrote it")
    parser.add_argument("--build", help="a folder whose build.py puts more into the lock's environment")
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
    """Also false when the Python that it was made with is gone, or when the marker is not ours."""
    try:
        marker = os.lstat(target / MARKER)
    except FileNotFoundError:
        return False
    return marker.st_uid == os.getuid() and (target / "bin" / "python").exists()


def install(target: Path, arguments: argparse.Namespace) -> None:
    shutil.rmtree(target, ignore_errors=True)  # a half-made one
    try:
        with workshop(target.parent) as place:
            make = install_module if arguments.package else install_lock if arguments.requirements else install_listed
            models = make(target, place, arguments)
        take_over(target)
        mark(target, {"models": models, "python": sys.version})
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


@contextmanager
def workshop(root: Path) -> Iterator[Path]:
    """A folder for what uv reads; the one above is root's, so that nobody can put something else in its place."""
    above = root / ".work"
    above.mkdir(mode=0o711, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=above) as folder:
        yield Path(folder)


def install_module(target: Path, place: Path, arguments: argparse.Namespace) -> list[str]:
    package = source_of(arguments.package, place)
    uv = make_environment(target, place, arguments)
    run([uv, *pip_install(target, package)], target)
    return check(target, arguments.needs)


def install_lock(target: Path, place: Path, arguments: argparse.Namespace) -> list[str]:
    lock = shutil.copyfile(arguments.requirements, place / "requirements.txt")
    if arguments.build:
        shutil.copytree(arguments.build, place / "build")
    uv = make_environment(target, place, arguments)
    run([uv, *pip_sync(target, str(lock))], target)
    if arguments.build:
        run([str(target / "bin" / "python"), "-I", str(place / "build" / "build.py")], target)
    return []


def install_listed(target: Path, place: Path, arguments: argparse.Namespace) -> list[str]:
    names = Path(arguments.packages).read_text().split("\n")
    names = [name for name in names if name]
    if odd := [name for name in names if not NAME.fullmatch(name)]:
        raise InstallFailed(f"“{odd[0]}” is no package by its name.")
    uv = make_environment(target, place, arguments)
    if names:
        run([uv, *pip_install_names(target, names)], target)
    return []


def make_environment(target: Path, place: Path, arguments: argparse.Namespace) -> str:
    """Hand over what lies ready, and make the environment; the uv to go on with."""
    home = target.parent / ".home"
    target.mkdir()
    if BUILDER and home.exists() and os.lstat(home).st_uid != BUILDER["user"]:
        shutil.rmtree(home)  # of the builder before a datacenter lost its memory
    home.mkdir(mode=0o700, exist_ok=True)
    uv = arguments.uv if not BUILDER or is_open(Path(arguments.uv)) else str(shutil.copy2(arguments.uv, place / "uv"))
    if BUILDER:
        for folder in (target, home):
            os.chown(folder, BUILDER["user"], BUILDER["group"], follow_symlinks=False)
        give(place)
    progress("making the environment")
    run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(target)], target)
    progress("finding the packages")
    return uv


def source_of(package: str, place: Path) -> str:
    """A folder is copied first: building leaves files behind, and the source is not ours to write to."""
    if not os.path.isabs(package):
        return package
    if not os.path.isdir(package):
        raise InstallFailed(f"The module's folder {package} is not there.")
    copy = place / (os.path.basename(package.rstrip("/")) or "module")
    # Links stay links: what they point to may be nothing that the module's author could read.
    shutil.copytree(package, copy, ignore=NOT_THE_MODULE, symlinks=True)
    return str(copy)


def is_open(program: Path) -> bool:
    """Whether every account may reach and run it."""
    real = program.resolve()
    folders = {*program.absolute().parents, *real.parents}
    return all(folder.stat().st_mode & 0o001 for folder in folders) and real.stat().st_mode & 0o005 == 0o005


def pip_install(target: Path, package: str) -> list[str]:
    python = str(target / "bin" / "python")
    lock = os.path.join(package, "requirements.txt")
    constraints = ["--constraint", lock] if os.path.isfile(lock) else []
    # Compiled now, since tasks may not write here and would compile at each start.
    return ["pip", "install", "--python", python, "--compile-bytecode", *constraints, package]


def pip_install_names(target: Path, names: list[str]) -> list[str]:
    python = str(target / "bin" / "python")
    # Anybody may write such a list: wheels alone, so that nothing of theirs is run here.
    return ["pip", "install", "--python", python, "--only-binary", ":all:", "--compile-bytecode", *names]


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
        **surroundings(target),
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            print(line, end="", flush=True)
            if line.startswith(MILESTONES):
                progress(line.strip()[:1].lower() + line.strip()[1:])
    end_leftovers()
    if process.returncode:
        raise InstallFailed(useful(said) or f"{command[0]} ended with {process.returncode}.")


def useful(said: list[str]) -> str:
    """What went wrong, in one line: uv's chain of causes and what the builder wrote last; no drawings, no hints."""
    lines = [line.strip(" \n×├─▶╰│") for line in said]
    end = next((place for place, line in enumerate(lines) if line.startswith("hint:")), len(lines))
    lines = [line for line in lines[:end] if line and not NO_CAUSE.match(line)]
    if "[stderr]" in lines:  # of the builder; the line before it only says how the builder was called
        lines = [lines[0], lines[-1]]
    return ": ".join(plain(line) for line in lines[:6])


def plain(line: str) -> str:
    """Without the folders of this node, which mean nothing to people, and without what uv concludes."""
    line = re.sub(r"^(error|cause): ", "", line).partition(", we can conclude")[0]
    line = re.sub(r" @ file://[^`]*", "", line)
    return re.sub(r"(/[^/\s`]+)+/(?=[^/\s`]+`)", "", line).rstrip(".:")


def uv_env(target: Path) -> dict[str, str]:
    """With the account's own home, where uv has its settings and its cache; a task's home is the task's folder."""
    home = str(target.parent / ".home") if BUILDER else pwd.getpwuid(os.getuid()).pw_dir
    env = {**os.environ, "HOME": home, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    env["UV_PYTHON_DOWNLOADS"] = "never"  # this Python is the one that tasks may run
    if BUILDER:
        env |= {"UV_CACHE_DIR": f"{home}/cache", "TMPDIR": home, "UV_LINK_MODE": "copy"}  # no file is the cache's, too
    elif not os.access(home, os.W_OK):
        env.setdefault("UV_CACHE_DIR", str(target.parent / ".uv-cache"))
    return env


def check(target: Path, needs: list[str]) -> list[str]:
    for program in needs:
        if not (target / "bin" / program).exists():
            raise InstallFailed(f"The package does not bring {program}: it must depend on the package that does.")
    python = str(target / "bin" / "python")
    command = [python, "-I", "-c", FIND_MODELS]
    found = subprocess.run(command, capture_output=True, text=True, check=False, **surroundings(target))
    end_leftovers()
    try:
        models: list[str] = json.loads(found.stdout)
    except ValueError:
        raise InstallFailed(f"The package cannot be looked at: {found.stderr.strip()[-500:]}") from None
    if len(models) != 1:
        listed = ", ".join(models) or "none"
        raise InstallFailed(f"The package must bring one model (entry point deepaas.v2.model), and brings: {listed}.")
    return models


def surroundings(target: Path) -> dict[str, Any]:
    """Where and as whom uv and Python run: the task's own folder is closed to the builder."""
    who: dict[str, Any] = {**BUILDER, "extra_groups": []} if BUILDER else {}
    return {"cwd": target.parent, "env": uv_env(target), **who}


def end_leftovers() -> None:
    """What a build left running must not touch what it built; all of it is ours to wait for."""
    while True:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            for pid in map(int, file.read().split()):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def give(folder: Path) -> None:
    """The folder and all in it to the builder; itself last, so that nobody else is in there before."""
    uid, gid = BUILDER["user"], BUILDER["group"]
    for _path, folders, files, here in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, uid, gid, dir_fd=here, follow_symlinks=False)
    os.chown(folder, uid, gid, follow_symlinks=False)


def take_over(target: Path) -> None:
    """Nobody else's from here on, for all to read and for none to write."""
    if BUILDER:
        os.chown(target, 0, 0, follow_symlinks=False)
    for _path, folders, files, here in os.fwalk(target, follow_symlinks=False):
        for name in (*folders, *files):
            if BUILDER:
                os.chown(name, 0, 0, dir_fd=here, follow_symlinks=False)
        for name in files:
            if stat.S_ISREG(os.lstat(name, dir_fd=here).st_mode):
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
                set_mode(descriptor)
                os.close(descriptor)
        set_mode(here)


def set_mode(descriptor: int) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    wanted = (mode | (0o555 if mode & 0o100 else 0o444)) & 0o755
    if wanted != mode:
        os.fchmod(descriptor, wanted)


def mark(target: Path, facts: dict[str, Any]) -> None:
    """A new file, whatever the build left in its place."""
    marker = target / MARKER
    if os.path.lexists(marker):
        marker.unlink()
    descriptor = os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "w") as file:
        json.dump(facts, file)


if __name__ == "__main__":
    sys.exit(main())
