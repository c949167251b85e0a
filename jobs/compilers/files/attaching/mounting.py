"""Attaching by a file system."""

import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .attachment import Attachment
from .mounts import detach, is_mounted, mounted
from .plan import ROOT, USER, Trouble
from .rclone import Rclone, words
from .status import read_json

# Within the time that a task has to end; what is left then is brought by ``end``, which has as long as it takes.
SETTLE_SECONDS = 15
HURRY_SECONDS = 5
LOOK_SECONDS = 1.0


class Mount(Attachment):
    """rclone's own file system, with a cache on the node which outlives it: what was written and is not on the
    storage yet is brought there by whoever mounts it next."""

    process: Rclone | None = None

    def prepare(self, *, again: bool) -> None:
        self.tell(state="preparing", error="")
        self.own.mkdir(mode=0o700, exist_ok=True)
        if again:
            return
        self.check()
        self.attach()

    def attach(self) -> None:
        self.mount()
        if self.takes_over():
            self.leave()
            self.mount()
        self.tell(state="attached")

    def takes_over(self) -> bool:
        """rclone keeps a cache of its own for each wording of the login, and passwords are worded anew each time:
        what waits in another one goes to ours. Whether it was so."""
        ours = dict(mounted())[self.folder].partition(":")[0]
        notes = self.own / "cache" / "vfsMeta"
        others = [cache for cache in notes.iterdir() if cache.name != ours and dirty(cache)] if notes.exists() else []
        for other in others:
            for kind in ("vfs", "vfsMeta"):
                shutil.rmtree(self.own / "cache" / kind / ours, ignore_errors=True)
                (self.own / "cache" / kind / other.name).rename(self.own / "cache" / kind / ours)
        return bool(others)

    def mount(self) -> None:
        detach(self.folder)  # what a killed one left
        self.folder.mkdir(mode=0o700, exist_ok=True)
        (self.own / "rc").unlink(missing_ok=True)
        self.process = self.rclone("mount", self.storage.source, str(self.folder), *self.options(), cwd=self.own)
        until = time.monotonic() + self.plan.timeout_seconds
        while not is_mounted(self.folder):
            if self.process.ended or time.monotonic() > until:
                self.process.kill()
                raise Trouble(self.process.why())
            time.sleep(0.05)

    def options(self) -> Iterator[str]:
        yield from ("--vfs-cache-mode=full", "--vfs-write-back=1s", "--vfs-fast-fingerprint", "--cache-dir=cache")
        yield f"--vfs-cache-max-size={self.plan.cache_mb}M"
        yield from ("--dir-cache-time=10s", "--poll-interval=0", "--rc", "--rc-addr=unix://rc", "--rc-no-auth")
        if self.storage.read_only:
            yield "--read-only"
        if USER:
            yield from (f"--uid={USER['user']}", f"--gid={USER['group']}", "--umask=0077", "--default-permissions")
        else:
            yield "--umask=0"  # of a container, whoever it runs as
        if ROOT:
            yield "--allow-other"

    def run(self) -> None:
        while not self.ending.is_set():
            try:
                if self.process is None:
                    self.attach()
                self.watch()
            except (Trouble, OSError) as error:
                self.tell(state="broken", error=str(error))
                self.ending.wait(2)
        self.drain(time.monotonic() + SETTLE_SECONDS)
        self.leave()

    def watch(self) -> None:
        process = self.process
        while process and not process.ended:
            if self.ending.wait(LOOK_SECONDS):
                return
            self.look(process)
        self.process = None
        raise Trouble("The mount broke off; it is made anew.")

    def look(self, process: Rclone) -> int:
        """How many files wait to be written there; -1 if it does not say."""
        try:
            cache = self.ask("vfs/stats")["diskCache"]
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return -1
        pending = int(cache["uploadsInProgress"]) + int(cache["uploadsQueued"])
        if pending == 0:
            process.error = ""
        self.tell(pending=pending, error=self.sentence(process.error))
        return pending

    def sentence(self, error: str) -> str:
        return f"The storage “{self.storage.target}” {words(error)}." if error else ""

    def hurry(self) -> None:
        """rclone waits up to five minutes between two tries of a file."""
        try:
            for one in self.ask("vfs/queue")["queue"]:
                if not one["uploading"] and one["expiry"] > HURRY_SECONDS:
                    self.ask("vfs/queue-set-expiry", id=one["id"], expiry=0.0)
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return

    def ask(self, command: str, **values: Any) -> Any:
        connection = UnixConnection(self.own / "rc")
        try:
            connection.request("POST", f"/{command}", json.dumps(values), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def drain(self, until: float) -> None:
        while self.process and not self.process.ended and self.pending() and time.monotonic() < until:
            self.hurry()
            self.look(self.process)
            time.sleep(0.3)

    def leave(self) -> None:
        if self.process:
            detach(self.folder, lazily=False)
            self.process.leave()
        detach(self.folder)
        self.tell(state="detached", pending=self.pending())

    def settled(self, until: float) -> bool:
        while self.pending() and time.monotonic() < until:
            try:
                self.attach()
                self.drain(until)
            except (Trouble, OSError) as error:
                self.tell(error=str(error))
                time.sleep(1)
            self.leave()
        detach(self.folder)
        self.tell(state="detached", pending=self.pending())
        return not self.pending()

    def pending(self) -> int:
        """From the cache's own notes, which also know what no queue holds yet."""
        return dirty(self.own / "cache" / "vfsMeta")

    def clear(self) -> None:
        shutil.rmtree(self.own, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.folder.rmdir()


def dirty(notes: Path) -> int:
    """How many files this part of a cache holds that are not on the storage."""
    return sum(bool(read_json(file).get("Dirty")) for file in notes.rglob("*") if file.is_file())


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self) -> None:
        """Its path may be longer than an address of a socket: by way of the open folder it is short."""
        folder = os.open(self.path.parent, os.O_PATH)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{self.path.name}")
        finally:
            os.close(folder)
