"""Starts ``jupyterlab`` or ``vscode`` over the task's home, with the project's storage in it. Runs in the task, alone.

What people install goes into an environment of this deployment's own, which sees the shared one that the server
runs in: notebooks and terminals use it, the server does not, so that no package can keep it from starting.
"""

# ruff: noqa: T201
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urlsplit

CLONE_SECONDS = 600
NO_CLONE = "The repository was not cloned.txt"
OUR_NAMES = ("storage", NO_CLONE)
# Of a module that this stands beside.
MODULE = Path(os.environ["SERAI_MODULE_ENVIRONMENT"]) if "SERAI_MODULE_ENVIRONMENT" in os.environ else None
NEWS = "@jupyterlab/apputils-extension:announcements"  # asks people, and Jupyter's own server
PROMPT = "PS1='\\w\\$ '\n"  # the account that it runs as has no name
EDITOR_SETTINGS = {
    "chat.disableAIFeatures": True,  # it would ask for an account elsewhere
    "extensions.autoCheckUpdates": False,
    "extensions.autoUpdate": False,
    "files.exclude": dict.fromkeys((".bashrc", ".cache", ".local", ".serai", ".venv", ".vscode", "**/.git"), True),
    "remote.autoForwardPorts": False,
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
}
GIT = ("git", "-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "core.hooksPath=/dev/null")


def main(server: str) -> None:
    home = Path.home()
    storage = linked(home / "storage", os.environ["SERAI_STORAGE_DIR"])
    show_attached(home)
    python = own_environment(home / ".venv")
    # Here as well: VS Code starts terminals with the paths of a login shell.
    (home / ".bashrc").write_text(f'{PROMPT}export VIRTUAL_ENV="{home}/.venv" PATH="{python.parent}:$PATH"\n')
    opened = cloned(os.environ.get("OPTION_REPOSITORY", ""), storage, home)
    command = SERVERS[server](home, opened, python)
    os.chdir(home)
    os.environ.update(surroundings(home, python))
    print(f"starting {server}", flush=True)
    os.execv(command[0], command)


def linked(link: Path, target: str) -> Path:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return link


def show_attached(home: Path) -> None:
    """Each storage that was attached, beside the project's own."""
    folder = Path(os.environ.get("SERAI_STORAGES_DIR", "/nowhere"))
    for attached in sorted(folder.iterdir()) if folder.is_dir() else ():
        if attached.name not in OUR_NAMES and not attached.name.startswith("."):
            linked(home / attached.name, str(attached))


def own_environment(folder: Path) -> Path:
    """Made anew at each start, in a home that nobody else can write to."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    packages = Path("lib", f"python{sysconfig.get_python_version()}", "site-packages")
    # A module's come first: what is worked at here is the module.
    module = [str(MODULE / packages)] if MODULE else []
    seen = [*module, sysconfig.get_path("purelib")]
    (folder / packages / "serai-shared.pth").write_text(
        "".join(f"import site; site.addsitedir({place!r})\n" for place in seen)
    )
    pip = folder / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{python}" -m pip "$@"\n')
    pip.chmod(0o700)
    return python


def write(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


# ── JupyterLab ───────────────────────────────────────────────────────────────────────────────────
def jupyterlab(home: Path, opened: Path, python: Path) -> list[str]:
    kernels = home / ".local" / "share" / "jupyter" / "kernels"
    name = f"Python 3 with {os.environ['SERAI_MODULE']}" if MODULE else "Python 3"
    write(kernels / "python3" / "kernel.json", kernel(python, name))
    if MODULE:  # in case the module's packages and the kernel's do not go together
        write(kernels / "plain" / "kernel.json", kernel(Path(sys.executable), "Python 3"))
    write(home / ".jupyter" / "jupyter_server_config.json", configuration(home, home / "storage", opened))
    write(home / ".jupyter" / "labconfig" / "page_config.json", {"disabledExtensions": {NEWS: True}})
    return [sys.executable, "-I", "-m", "jupyterlab"]


def kernel(python: Path, name: str) -> dict[str, Any]:
    return {
        "argv": [str(python), "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": name,
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


# ── VS Code ──────────────────────────────────────────────────────────────────────────────────────
def vscode(home: Path, opened: Path, python: Path) -> list[str]:
    """It compares the cookie of whoever comes with this text, as if it were the digest of a password: there is none."""
    os.environ["HASHED_PASSWORD"] = os.environ.pop("CODE_SERVER_COOKIE")
    data, extensions = home / ".vscode" / "data", home / ".vscode" / "extensions"
    extensions.mkdir(parents=True, exist_ok=True)
    settings = {**EDITOR_SETTINGS, "python.defaultInterpreterPath": str(python)}
    write(data / "User" / "settings.json", settings)
    (home / ".vscode" / "config.yaml").write_text("")
    installed = Path(sys.prefix) / "vscode"
    return [
        str(installed / "node"),
        str(installed / "node_modules" / "code-server" / "out" / "node" / "entry.js"),
        *("--bind-addr", f"{os.environ['SERVER_ADDRESS']}:{os.environ['SERVER_PORT']}"),
        *("--auth", "password", "--config", str(home / ".vscode" / "config.yaml")),
        *("--user-data-dir", str(data), "--extensions-dir", str(extensions)),
        *("--app-name", "VS Code", "--disable-telemetry", "--disable-update-check", "--disable-proxy"),
        *("--disable-workspace-trust", "--disable-getting-started-override"),
        str(home if opened == home / "storage" else opened),
    ]


SERVERS: Mapping[str, Callable[[Path, Path, Path], list[str]]] = {"jupyterlab": jupyterlab, "vscode": vscode}


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
    main(sys.argv[1])
