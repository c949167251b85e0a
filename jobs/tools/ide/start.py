"""Starts JupyterLab over the task's home, with the project's storage in it. Runs in the task, alone.

What people install goes into an environment of this deployment's own, which sees the shared one that JupyterLab
runs in: notebooks and terminals use it, JupyterLab does not, so that no package can keep it from starting.
"""

# ruff: noqa: T201
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urlsplit

CLONE_SECONDS = 600
NO_CLONE = "The repository was not cloned.txt"
NEWS = "@jupyterlab/apputils-extension:announcements"  # asks people, and Jupyter's own server
PROMPT = "PS1='\\w\\$ '\n"  # the account that it runs as has no name
GIT = ("git", "-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "core.hooksPath=/dev/null")


def main() -> None:
    home = Path.home()
    storage = linked(home / "storage", os.environ["SERAI_STORAGE_DIR"])
    python = own_environment(home / ".venv")
    write(home / ".local" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json", kernel(python))
    (home / ".bashrc").write_text(PROMPT)
    opened = cloned(os.environ.get("OPTION_REPOSITORY", ""), storage, home)
    write(home / ".jupyter" / "jupyter_server_config.json", configuration(home, storage, opened))
    write(home / ".jupyter" / "labconfig" / "page_config.json", {"disabledExtensions": {NEWS: True}})
    os.chdir(home)
    os.environ.update(surroundings(home, python))
    print("starting JupyterLab", flush=True)
    os.execv(sys.executable, [sys.executable, "-I", "-m", "jupyterlab"])


def linked(link: Path, target: str) -> Path:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return link


def own_environment(folder: Path) -> Path:
    """Made anew at each start, in a home that nobody else can write to."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (packages / "serai-shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = folder / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{python}" -m pip "$@"\n')
    pip.chmod(0o700)
    return python


def write(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def kernel(python: Path) -> dict[str, Any]:
    return {
        "argv": [str(python), "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "metadata": {"debugger": True},
    }


def configuration(home: Path, storage: Path, opened: Path) -> dict[str, Any]:
    """Its token comes by the environment. It answers to this address alone, which only the gateway calls it by."""
    shell = shutil.which("bash") or "/bin/sh"
    return {
        "ServerApp": {
            "ip": os.environ["SERVER_ADDRESS"],
            "port": int(os.environ["SERVER_PORT"]),
            "port_retries": 0,
            "open_browser": False,
            "allow_root": os.getuid() == 0,  # on an operator's test machine alone
            "quit_button": False,  # stopping is Serai's: a server that ends would count as failed
            "root_dir": str(home),
            "default_url": f"/lab/tree/{opened.relative_to(home)}",
            "terminado_settings": {"shell_command": [shell]},
        },
        "ContentsManager": {"preferred_dir": str(storage)},
        "FileContentsManager": {"delete_to_trash": False},  # there is no trash on the storage
        "LabApp": {"extension_manager": "readonly"},
    }


def surroundings(home: Path, python: Path) -> dict[str, str]:
    path = os.pathsep.join((str(python.parent), os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    return {
        "PATH": path,
        "VIRTUAL_ENV": str(python.parent.parent),
        "SHELL": shutil.which("bash") or "/bin/sh",
        "USER": "serai",
        "LOGNAME": "serai",
        "JUPYTER_PREFER_ENV_PATH": "0",  # our kernel before JupyterLab's own
        "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
    }


# ── The repository ───────────────────────────────────────────────────────────────────────────────
def cloned(address: str, storage: Path, home: Path) -> Path:
    """The folder to open: the repository's, if one was asked for and is there."""
    url, branch = urldefrag(address)
    name = urlsplit(url).path.rstrip("/").removesuffix(".git").rpartition("/")[2].lstrip(".")
    if not name:
        return storage
    target = storage / name
    complaint = "" if target.exists() else clone(url, branch, target)
    if complaint:
        print(f"The repository could not be cloned: {complaint}", file=sys.stderr, flush=True)
        (home / NO_CLONE).write_text(f"{address}\n\n{complaint}\n")
        return home
    # Another deployment, with another uid, may have cloned it.
    trust = [*GIT, "config", "--global", "--add", "safe.directory", str(target.resolve())]
    subprocess.run(trust, check=True)
    return target


def clone(url: str, branch: str, target: Path) -> str:
    """Why it could not be cloned; nothing if it was."""
    print(f"cloning {url}", flush=True)
    wanted = ["--branch", branch] if branch else []
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            [*GIT, "clone", *wanted, "--", url, str(target)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLONE_SECONDS,
            env=env,
            check=False,
        )
    except FileNotFoundError:
        return "There is no git on this machine."
    except subprocess.TimeoutExpired:
        shutil.rmtree(target, ignore_errors=True)
        return f"It took longer than {CLONE_SECONDS // 60} minutes."
    return done.stderr.strip() if done.returncode else ""


if __name__ == "__main__":
    main()
