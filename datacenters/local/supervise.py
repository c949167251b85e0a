"""The agent's side of a shim: start one, find one again after a restart, hear of its end, signal its task."""

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .processes import Process, environment, machine, processes, start_ticks
from .state import Document

SHIM = Path(__file__).with_name("shim.py")
LOST = "the process that watches over this task was ended from outside"
RESTARTED = "the machine was restarted"


class NotStarted(Exception):
    """The task's program could not be started; the text says why."""


@dataclass(frozen=True)
class Ending:
    """How one life of a task ended."""

    time: int = 0
    code: int = 0
    signal: int = 0
    message: str = ""
    never_began: bool = False
    machine_restarted: bool = False

    @property
    def success(self) -> bool:
        return not (self.code or self.signal or self.message or self.never_began)


class Life:
    """One run of one task's program, in its run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def start(self, task: Document) -> int:
        """Start it; when it began. Raises NotStarted."""
        try:
            answer = await asyncio.to_thread(self._spawn, json.dumps({**task, "machine": machine()}).encode())
        except OSError as error:
            raise NotStarted(_no_room(error)) from error
        if "error" in answer:
            raise NotStarted(str(answer["error"]))
        started = self._read("started")
        if started is None:
            log = (self.folder / "shim.log").read_text().strip()
            raise NotStarted(f"The process that watches over tasks did not start. {log[-500:]}".strip())
        return int(started["time"])

    def _spawn(self, task: bytes) -> Document:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with (self.folder / "shim.log").open("ab") as log:
                shim = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(SHIM), str(self.folder), str(lock)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd="/",
                    env={},
                    pass_fds=(lock,),
                    start_new_session=True,
                )
        finally:
            os.close(lock)  # the shim's copy keeps the lock
        with contextlib.suppress(BrokenPipeError):
            shim.stdin.write(task)  # type: ignore[union-attr]
            shim.stdin.close()  # type: ignore[union-attr]
        answer = shim.stdout.read()  # type: ignore[union-attr]
        shim.stdout.close()  # type: ignore[union-attr]
        found: Document = json.loads(answer) if answer else {}
        if "pid" not in found:
            shim.wait()
        shim.returncode = 0  # it lives on; its end is heard of by its pidfd
        return found

    def _read(self, name: str) -> Document | None:
        try:
            return dict(json.loads((self.folder / name).read_text()))
        except FileNotFoundError:
            return None

    def _alive(self) -> bool:
        """Whether the shim lives: it holds the lock, from before its first instruction to its last."""
        try:
            lock = os.open(self.folder / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    async def began(self) -> int | None:
        """After a restart of the agent: when this life began, or None if it never did and never will."""
        while (started := self._read("started")) is None and self._alive():
            await asyncio.sleep(0.05)
        return int(started["time"]) if started else None

    async def end(self) -> Ending:
        """Wait for its end."""
        started = self._read("started") or {}
        if started and self._alive():
            await _gone(int(started["shim"]), int(started["shim_start"]))
        while self._alive():  # a shim whose number we cannot trust; seldom
            await asyncio.sleep(0.1)
        if ended := self._read("ended"):
            return _ending(ended)
        if started and started.get("machine", machine()) != machine():
            return Ending(code=-1, message=RESTARTED, machine_restarted=True)
        if started:
            await _end_leftovers(started)
        return Ending(code=-1, message=LOST, never_began=not started)

    def signal(self, number: int) -> None:
        """To the task's own process, and no other: its number may have been given to a stranger since."""
        started = self._read("started")
        if started is None:
            return
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(int(started["pid"]))
            try:
                if start_ticks(int(started["pid"])) == started["start"]:
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)

    def root_process(self) -> int | None:
        """The shim: all of the task's processes are below it."""
        started = self._read("started")
        return int(started["shim"]) if started else None


def _no_room(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk of the local datacenter is full. Delete something, then start this job again."
    return f"This machine cannot start another task now: {error.strerror}."


async def _end_leftovers(started: Document) -> None:
    """Nobody watches over these any more: end them, so that nothing runs unseen or twice."""
    marks = [f"{name}={value}".encode() for name, value in started["marks"].items()]
    while left := [process.pid for process in processes() if _belongs(process, started, marks)]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.05)


def _belongs(process: Process, started: Document, marks: list[bytes]) -> bool:
    """Of the task's own session, or with its marks in the environment (should it have left that session)."""
    if process.start < started["start"] or process.state == "Z":
        return False
    return process.session == started["pid"] or set(marks) <= set(environment(process.pid))


def _ending(ended: Document) -> Ending:
    if "error" in ended:
        return Ending(time=ended["time"], code=-1, message=ended["error"])
    code = int(ended["code"])
    # As a shell says it: 128 and the signal's number.
    return Ending(time=ended["time"], code=code if code >= 0 else 128 - code, signal=max(0, -code))


async def _gone(pid: int, start: int) -> None:
    """Wait for a process that need not be our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    try:
        if start_ticks(pid) == start:
            loop.add_reader(descriptor, gone.set)
            await gone.wait()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
