"""Runs on the node that is tested, alone: tries what Serai's jobs need there, prints it, and answers one visitor.

Standard library only. The line that begins with MARK is what Serai reads; each finding is {name, ok, detail}.
"""

# ruff: noqa: T201
import argparse
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "SERAI-NODE-TEST "
INSTALL_SECONDS, MOUNT_SECONDS, VISIT_SECONDS = 180, 20, 90
OLDEST_PYTHON, OLDEST_RCLONE = (3, 11), (1, 65)


def main() -> None:
    asked = arguments()
    findings = [tried(name, check, asked) for name, check in CHECKS if wanted(name, asked)]
    print(MARK + json.dumps(findings), flush=True)
    if asked.port:
        answer_once(asked.host, asked.port, asked.word)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("uv", "package", "packages-root", "storage-root", "rclone", "mounts-root", "host", "word"):
        parser.add_argument(f"--{name}", default="")
    for name in ("fuse", "gpus", "port"):
        parser.add_argument(f"--{name}", type=int, default=0)
    return parser.parse_args()


def wanted(name: str, asked: argparse.Namespace) -> bool:
    return {"gpu": bool(asked.gpus), "storage": bool(asked.rclone), "packages": bool(asked.uv)}.get(name, True)


class Wrong(Exception):
    """The text says what is wrong on this machine."""


def tried(name: str, check: Callable[[argparse.Namespace], str], asked: argparse.Namespace) -> dict[str, object]:
    try:
        return {"name": name, "ok": True, "detail": check(asked)}
    except Wrong as error:
        return {"name": name, "ok": False, "detail": str(error)}
    except subprocess.TimeoutExpired as error:
        return {"name": name, "ok": False, "detail": f"{Path(error.cmd[0]).name} did not end in {error.timeout:g} s"}
    except OSError as error:
        return {"name": name, "ok": False, "detail": str(error)}


# ── What is tried ────────────────────────────────────────────────────────────────────────────────


def python(_asked: argparse.Namespace) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        raise Wrong(f"serai_python is Python {version}; it must be 3.11 or newer")
    return f"Python {version}, {ssl.OPENSSL_VERSION}"


def folders(asked: argparse.Namespace) -> str:
    roots = [root for root in (asked.packages_root, asked.storage_root, asked.mounts_root) if root]
    for root in roots:
        Path(root).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=root, prefix=".serai-test-"):
            pass
    return ", ".join(roots)


def packages(asked: argparse.Namespace) -> str:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="serai-test-") as folder:
        env = f"{folder}/env"
        run([asked.uv, "venv", "--quiet", "--python", sys.executable, env], home=folder)
        target = ["--python", f"{env}/bin/python", "--only-binary", ":all:", "--cache-dir", f"{folder}/cache"]
        run([asked.uv, "pip", "install", "--quiet", *target, asked.package], home=folder)
        run([f"{env}/bin/python", "-I", "-c", f"import importlib.metadata as m; m.version({asked.package!r})"])
    return f"{asked.package} in {time.monotonic() - began:.1f} s"


def gpu(_asked: argparse.Namespace) -> str:
    given = os.environ.get("NVIDIA_VISIBLE_DEVICES") or os.environ.get("CUDA_VISIBLE_DEVICES") or ""
    if program := shutil.which("nvidia-smi"):
        return run([program, "-L"]).splitlines()[0]
    if Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists():
        return f"its device file is there ({given or 'not named'})"
    raise Wrong("the scheduler gave one, and neither nvidia-smi nor a device file is there")


def storage(asked: argparse.Namespace) -> str:
    said = run([asked.rclone, "version"])
    found = re.search(r"v(\d+)\.(\d+)", said)
    if not found or tuple(map(int, found.groups())) < OLDEST_RCLONE:
        raise Wrong(f"rclone must be 1.65 or newer; it says {said.splitlines()[0] if said else 'nothing'}")
    if not asked.fuse:
        return f"rclone {found[0]}, for copies"
    with mounted(asked.rclone, Path(asked.mounts_root) / asked.word) as seen:
        if seen.read_text() != asked.word:
            raise Wrong("what was mounted is not what was written")
    return f"rclone {found[0]}, and a folder was mounted"


@contextmanager
def mounted(rclone: str, place: Path) -> Iterator[Path]:
    """A file as it is seen through a mount of its folder, which is gone afterwards."""
    source, mount = place / "source", place / "mount"
    for folder in (source, mount):
        folder.mkdir(parents=True)
    (source / "file").write_text(place.name)
    args = [rclone, "mount", "--config", "/dev/null", str(source), str(mount)]
    with subprocess.Popen(args, stderr=subprocess.PIPE, text=True) as program:
        try:
            wait_for((mount / "file").exists, program)
            yield mount / "file"
        finally:
            subprocess.run(["umount", "--lazy", str(mount)], check=False, capture_output=True)
            program.terminate()
            program.wait(MOUNT_SECONDS)
            shutil.rmtree(source)
            mount.rmdir()
            place.rmdir()


def wait_for(condition: Callable[[], bool], program: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + MOUNT_SECONDS
    while not condition():
        if program.poll() is not None and program.stderr:
            raise Wrong(f"rclone could not mount: {last_line(program.stderr.read())}")
        if time.monotonic() > deadline:
            raise Wrong(f"nothing was mounted within {MOUNT_SECONDS} s")
        time.sleep(0.1)


def run(command: list[str], home: str = "") -> str:
    env = {**os.environ, **({"HOME": home} if home else {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False, env=env)
    if done.returncode:
        raise Wrong(f"{Path(command[0]).name} ended with {done.returncode}: {last_line(done.stderr or done.stdout)}")
    return done.stdout


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


CHECKS: tuple[tuple[str, Callable[[argparse.Namespace], str]], ...] = (
    ("python", python),
    ("folders", folders),
    ("packages", packages),
    ("gpu", gpu),
    ("storage", storage),
)


# ── One visitor ──────────────────────────────────────────────────────────────────────────────────


def answer_once(host: str, port: int, word: str) -> None:
    """Until somebody who knows the word came, or nobody does for a while."""
    visits = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == f"/{word}"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(word.encode() if known else b"")
            visits.extend([self.path] if known else [])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer((host, port), Handler) as server:
        server.timeout = 1
        deadline = time.monotonic() + VISIT_SECONDS
        while not visits and time.monotonic() < deadline:
            server.handle_request()


if __name__ == "__main__":
    main()
