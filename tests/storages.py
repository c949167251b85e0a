"""Real storages for tests: ``rclone serve`` over a folder, with a password, on a free port."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datacenters.storage import Remote, obscured, rclone_path
from tests.agents import free_port

USER, PASSWORD = "ada", "l0ve lace & engines"
ACCESS_KEY, SECRET_KEY = "ADASACCESSKEY", "adas-secret-key-of-some-length"
BUCKET = "engine"


@dataclass
class Server:
    """One that runs; ``files`` is where its files lie on this machine."""

    kind: str
    port: int
    files: Path
    _processes: list["subprocess.Popen[bytes]"] = field(default_factory=list, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def remote(self, password: str = "") -> Remote:
        """It as Serai calls it, with the right password or another one."""
        if self.kind == "webdav":
            options = {"url": self.url, "vendor": "other", "user": USER}
            return Remote("webdav", options, {"pass": obscured(password or PASSWORD)})
        if self.kind == "s3":
            options = {
                "provider": "Other",
                "endpoint": self.url,
                "access_key_id": ACCESS_KEY,
                "no_check_bucket": "true",
            }
            return Remote("s3", options, {"secret_access_key": password or SECRET_KEY}, root=BUCKET)
        options = {"host": "127.0.0.1", "port": str(self.port), "user": USER, "shell_type": "none"}
        return Remote("sftp", options, {"pass": obscured(password or PASSWORD)})

    def start(self) -> None:
        served = self.files.parent if self.kind == "s3" else self.files
        # rclone names its options for the environment, too: then no password stands on the command line.
        environment = {"PATH": os.defpath, "HOME": str(served.parent), "RCLONE_CONFIG": "/dev/null", **self._login()}
        command = [rclone_path(), "serve", self.kind, str(served), "--addr", f"127.0.0.1:{self.port}"]
        # Tests write beside it, into the folder itself. (With 0 s it hangs.)
        command += ["--dir-cache-time", "1s"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        until = time.monotonic() + 20
        while not self.listens:
            assert process.poll() is None, f"rclone serve {self.kind} ended"
            assert time.monotonic() < until, f"rclone serve {self.kind} does not start"
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        self._processes[-1].send_signal(number)

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _login(self) -> Mapping[str, str]:
        if self.kind == "s3":
            return {"RCLONE_AUTH_KEY": f'"{ACCESS_KEY},{SECRET_KEY}"'}
        return {"RCLONE_USER": USER, "RCLONE_PASS": PASSWORD}

    @property
    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def serve(kind: str, folder: Path) -> Server:
    """Start one over a folder below this one."""
    files = folder / "buckets" / BUCKET if kind == "s3" else folder / kind
    files.mkdir(parents=True)
    server = Server(kind, free_port(), files)
    server.start()
    return server
