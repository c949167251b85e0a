"""Set up this clone, with the standard library alone: ``run`` what Serai needs, ``dev`` what checks need too,
``test`` also what tests want of the system.

Each step is skipped while its lock file is the one it was done for, so a second start takes no time.
"""

import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON, UV = VENV / "bin" / "python", VENV / "bin" / "uv"
NODE_ENV = ROOT / ".envs" / "node"
REQUIREMENTS = ROOT / "requirements"
PYTHON_STAMP = VENV / ".serai-installed"
NODE_STAMP = ROOT / "node_modules" / ".serai-installed"
PAGES_STAMP = ROOT / "static" / "vendor" / ".serai-installed"
PAGES = ROOT / "dashboard"
OLDEST_NODE = 20
# What tests want of the system: a program to look for, and Debian's package of it.
SYSTEM_PACKAGES = {
    "chromium": "chromium",
    "redis-server": "redis-server",
    "/usr/lib/postgresql/*/bin/initdb": "postgresql",
    "fusermount3": "fuse3",
}


class SetupFailed(Exception):
    """Why the set-up cannot go on, in a sentence that says what to do."""


def main(arguments: Sequence[str]) -> int:
    role, *command = arguments
    try:
        if role == "test":
            install_system_packages()
            role = "dev"
        install_python_packages(role)
        install_page_packages(role)
    except SetupFailed as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if command:
        os.chdir(ROOT)
        os.execv(PYTHON, [str(PYTHON), *command])
    return 0


# ── Python ───────────────────────────────────────────────────────────────────────────────────────
def install_python_packages(role: str) -> None:
    """The environment ``.venv``, exactly as its lock file says. Once a developer's, it stays one."""
    done_for, root, _ = stamp_of(PYTHON_STAMP)
    role = "dev" if "dev" in (role, done_for) else "run"
    lock = REQUIREMENTS / ("dev.txt" if role == "dev" else "dashboard.txt")
    stamp = f"{role} {ROOT} {digest(lock)}"
    if works(PYTHON) and UV.exists() and " ".join(stamp_of(PYTHON_STAMP)) == stamp:
        return
    if not works(PYTHON) or root not in ("", str(ROOT)):
        step("Making the Python environment .venv", make_environment)
    if not UV.exists():
        step("Installing uv", install_uv)
    count = sum("==" in line for line in lock.read_text().splitlines())
    step(f"Installing {count} Python packages", lambda: sync(PYTHON, lock))
    PYTHON_STAMP.write_text(stamp)


def make_environment() -> None:
    if VENV.is_symlink():  # clearing it would empty the environment of another checkout
        VENV.unlink()
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if run(command, quiet=True) or (install_debian_packages(["python3-venv"]) and run(command)):
        return
    raise SetupFailed(
        f"{sys.executable} cannot make a virtual environment. Install its venv module "
        "(on Debian: apt-get install python3-venv), or choose another Python: make run PYTHON=/path/to/python3."
    )


def install_uv() -> None:
    """The uv that the lock file names, with its hashes; pip is needed for this alone."""
    entry = lock_entry("uv", (REQUIREMENTS / "dashboard.txt").read_text())
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(entry)
        file.flush()
        pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"]
        demand(run([*pip, "--requirement", file.name]), "uv could not be installed by pip")


def lock_entry(package: str, lock: str) -> str:
    lines = lock.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{package}=="))
    hashes = itertools.takewhile(lambda line: line.lstrip().startswith("--hash"), lines[start + 1 :])
    return "\n".join([lines[start], *hashes])


def sync(python: Path, lock: Path) -> None:
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    command = [str(UV), "pip", "sync", *quiet, "--require-hashes", "--python", str(python), str(lock)]
    demand(run(command), f"the packages of {lock.relative_to(ROOT)} could not be installed")


# ── The pages' scripts and styles ────────────────────────────────────────────────────────────────
def install_page_packages(role: str) -> None:
    """``node_modules`` and, for developers, what checks the pages; from it ``static/vendor``."""
    done_for, _, _ = stamp_of(NODE_STAMP)
    role = "dev" if "dev" in (role, done_for) else "run"
    only = [] if role == "dev" else ["--omit=dev"]
    npm_ci = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *only]
    packages = f"{role} {ROOT} {digest(ROOT / 'package.json', ROOT / 'package-lock.json')}"
    npm_step("Installing the pages' packages", npm_ci, NODE_STAMP, packages)
    # One sprite holds the icons that pages name, so a change of a page may be one of the sprite.
    named = sorted(file for kind in ("*.html", "*.py") for file in PAGES.rglob(kind))
    drawing = digest(ROOT / "package-lock.json", ROOT / "scripts" / "vendor.mjs", *named)
    npm_step("Filling static/vendor", ["npm", "run", "--silent", "vendor"], PAGES_STAMP, f"pages {ROOT} {drawing}")


def npm_step(text: str, command: Sequence[str], stamp: Path, wanted: str) -> None:
    if " ".join(stamp_of(stamp)) == wanted:
        return
    environment = {**os.environ, "PATH": f"{node_folder()}:{os.environ['PATH']}"}
    step(text, lambda: demand(run(command, environment), f"{' '.join(command[:3])} failed"))
    stamp.write_text(wanted)


def node_folder() -> Path:
    """Where a Node that is new enough lies; from its wheel, where the machine has none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_version(node) >= OLDEST_NODE:
        return Path(node).parent
    lock = REQUIREMENTS / "node.txt"
    if not (NODE_ENV / "bin" / "npm").exists():
        step("Installing Node, which this machine lacks, in .envs/node", lambda: make_node(lock))
    return NODE_ENV / "bin"


def make_node(lock: Path) -> None:
    demand(
        run([str(UV), "venv", "--quiet", "--clear", "--python", str(PYTHON), str(NODE_ENV)]),
        "uv could not make .envs/node",
    )
    sync(NODE_ENV / "bin" / "python", lock)


def node_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    digits = answer.strip().lstrip("v").split(".")[0]
    return int(digits) if digits.isdigit() else 0


# ── The system ───────────────────────────────────────────────────────────────────────────────────
def install_system_packages() -> None:
    """What tests want of the system. Without it they skip, so nothing here stops anyone."""
    missing = [package for program, package in SYSTEM_PACKAGES.items() if not is_there(program)]
    if missing and not install_debian_packages(missing):
        print(f"· Not on this machine: {', '.join(missing)}. Tests that want them will skip.", file=sys.stderr)


def is_there(program: str) -> bool:
    return any(Path("/").glob(program[1:])) if program.startswith("/") else shutil.which(program) is not None


def install_debian_packages(packages: Sequence[str]) -> bool:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"· Installing with apt-get, being root: {' '.join(packages)}", file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", *packages]
    return run(["apt-get", "update", "-qq"], environment, quiet=True) and run(install, environment, quiet=True)


# ── Small things ─────────────────────────────────────────────────────────────────────────────────
def run(command: Sequence[str], environment: dict[str, str] | None = None, *, quiet: bool = False) -> bool:
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=output, check=False).returncode == 0


def demand(worked: bool, complaint: str) -> None:
    if not worked:
        raise SetupFailed(f"{complaint}; the lines above say why. Try again once that is put right.")


def step(text: str, action: Callable[[], None]) -> None:
    print(f"· {text} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    action()
    print(f"  done in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def works(python: Path) -> bool:
    return python.exists() and run([str(python), "-c", ""], quiet=True)


def digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def stamp_of(file: Path) -> tuple[str, str, str]:
    """Role, folder and lock digest that a step was last done for."""
    if not file.exists():
        return ("", "", "")
    role, _, rest = file.read_text().partition(" ")
    root, _, lock = rest.rpartition(" ")
    return (role, root, lock)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
