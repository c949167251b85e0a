"""``python -m dashboard.stack.homes``: become the server of all projects' homes, one ``rclone serve webdav``.

Who asks is told apart by ``homes_login.py``, which rclone runs for each login that it does not know yet.
"""

import os
import sys
from pathlib import Path

from dashboard.stack import sandbox, web

PATIENCE_SECONDS = 60
# rclone splits this at spaces: no path may stand in it. Without Python's site it starts in a tenth of the time.
LOGIN = "python -I -S dashboard/stack/homes_login.py"
SETTINGS = {
    "RCLONE_CONFIG": "/dev/null",
    "RCLONE_LOG_LEVEL": "ERROR",
    "RCLONE_BUFFER_SIZE": "1M",
    "RCLONE_DISABLE_DIR_LIST": "true",
    "RCLONE_DISABLE_ZIP": "true",
    "RCLONE_UMASK": "077",
    "RCLONE_DIR_CACHE_TIME": "10s",  # at 0 it hardly answers; nobody else writes there
    "RCLONE_REALM": "Serai",
    # Little memory while it rests; it takes more while files pass.
    "GOGC": "25",
    "GOMEMLIMIT": "64MiB",
}


def main() -> None:
    os.umask(0o077)
    data = Path(os.environ["SERAI_DATA"])
    for folder in (data / "homes", data / "home-logins", data / "homes-cache"):
        folder.mkdir(mode=0o700, exist_ok=True)
    web.wait_for_pages(PATIENCE_SECONDS)
    confine(data)
    program = str(Path(sys.executable).with_name("rclone"))
    os.execve(program, [program, *arguments(int(os.environ["SERAI_HOMES_PORT"]))], environment(data))


def arguments(port: int) -> list[str]:
    return ["serve", "webdav", "--addr", f"127.0.0.1:{port}", "--auth-proxy", LOGIN]


def environment(data: Path) -> dict[str, str]:
    """What it and the login need and nothing else: Serai's own keys are not its business."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
    return {
        **kept,
        **SETTINGS,
        "PATH": os.environ["PATH"],
        "HOME": str(data / "homes-cache"),
        "RCLONE_CACHE_DIR": str(data / "homes-cache"),
        "SERAI_DATA": str(data),
    }


def confine(data: Path) -> None:
    """It opens paths that its clients name: let it write in the homes alone, and read no other state."""
    environments = {Path(sys.prefix), Path(sys.executable).resolve().parent.parent}
    system = [Path("/", name) for name in ("usr", "lib", "lib64", "bin", "sbin", "etc", "proc", "sys")]
    readable = [*environments, Path(__file__).parent, data / "home-logins", *system]
    devices = [Path("/dev", name) for name in ("null", "zero", "random", "urandom")]
    try:
        sandbox.restrict(readable=readable, writable=[data / "homes", data / "homes-cache", *devices])
    except sandbox.NoSandbox as error:
        sys.stderr.write(f"Homes run without Landlock: {error}.\n")


if __name__ == "__main__":
    main()
