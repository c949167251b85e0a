"""The guardian of one task: starts it, keeps its output, writes down how it ended.

Runs alone (``python -I -S shim.py RUN_FOLDER FD``), one process a task, in a session of its own, so that the
agent may die at any moment: the task goes on, its log goes on, and its end is found in the run folder.
It imports little on purpose; it lives as long as the task does.

Standard input carries the task as JSON (never a file: it holds secrets). ``FD`` is an open file with an exclusive
lock, which the agent reads as "this shim lives". ``started`` is written before the task's program begins, so
a shim that died without it has never run anything. ``ended`` is written when nothing of the task is left.
"""

import ctypes
import errno
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
BLOCK = 65_536
# Of one job, threads counted: far above what work needs, and below what takes a machine down.
PROCESSES = 4_096 + 64 * (os.cpu_count() or 1)
REAPED_WITHIN = 2.0  # seconds; a task whose processes breed faster is ended by its user

libc = ctypes.CDLL(None, use_errno=True)


def write_whole(folder: str, name: str, content: dict[str, Any]) -> None:
    """All of it or nothing: a reader never meets half a file."""
    temporary = os.path.join(folder, f".{name}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    os.rename(temporary, os.path.join(folder, name))


def start_ticks(pid: int) -> int:
    """When a process began, in clock ticks since boot: with its number, this names a process for good."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


class Log:
    """One stream of the task in numbered files; the oldest goes when there are too many."""

    def __init__(self, folder: str, name: str, files: int, size: int) -> None:
        self.folder, self.name, self.files, self.size = folder, name, files, size
        numbers = self.numbers()
        self.number = numbers[-1] if numbers else 0
        self.descriptor = self.open()

    def numbers(self) -> list[int]:
        endings = (entry.removeprefix(self.name + ".") for entry in os.listdir(self.folder))
        return sorted(int(ending) for ending in endings if ending.isdigit())

    def path(self, number: int) -> str:
        return os.path.join(self.folder, f"{self.name}.{number}")

    def open(self) -> int:
        return os.open(self.path(self.number), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)

    def write(self, data: bytes) -> None:
        # A full disk must not stop the task: what cannot be kept is dropped.
        try:
            while data:
                room = self.size - os.fstat(self.descriptor).st_size
                if room <= 0:
                    self.rotate()
                    continue
                data = data[os.write(self.descriptor, data[:room]) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise

    def rotate(self) -> None:
        os.close(self.descriptor)
        self.number += 1
        self.descriptor = self.open()
        for number in self.numbers()[: -self.files]:
            os.unlink(self.path(number))


def write_files(files: list[dict[str, Any]]) -> None:
    """The task's templates, written as the task's user: a link it planted leads nowhere it could not go itself.

    Always new files: opening what an earlier life left there could wait for ever (a FIFO), or change another file."""
    for file in files:
        os.makedirs(os.path.dirname(file["path"]), mode=0o770, exist_ok=True)
        if os.path.lexists(file["path"]):
            os.unlink(file["path"])
        descriptor = os.open(file["path"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, file["mode"])
        with os.fdopen(descriptor, "w") as out:
            os.fchmod(descriptor, file["mode"])
            out.write(file["content"])


def take_user(task: dict[str, Any]) -> None:
    if task["uid"] is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
        os.setgroups([])
        os.setresgid(task["gid"], task["gid"], task["gid"])
        os.setresuid(task["uid"], task["uid"], task["uid"])
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # no setuid program gives it more
    os.umask(task["umask"])


def complaint_of(task: dict[str, Any], error: Exception) -> str:
    """Why the program could not begin, for people."""
    if not isinstance(error, OSError):
        return f"{task['command']!r} with its arguments cannot be started: {error}"
    what = os.fsdecode(error.filename or task["command"])
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what} could not be written: the disk of the local datacenter is full."
    return f"{what}: {error.strerror}"


def become(task: dict[str, Any], go: int, trouble: int, output: tuple[int, int]) -> NoReturn:
    """In the child: take the task's user, session and files, wait for the word, then be its program."""
    try:
        os.setsid()
        take_user(task)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after the user changed, which would clear it
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output[0], 1)
        os.dup2(output[1], 2)
        os.chdir(task["folder"])
        write_files(task["files"])
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if os.read(go, 1) == b"g":
            os.execvpe(task["command"], [task["command"], *task["args"]], task["env"])
    except (OSError, ValueError) as error:
        os.write(trouble, complaint_of(task, error).encode())
    finally:
        os._exit(127)


def children() -> Iterator[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        yield from map(int, file.read().split())


def end_all_of(task: dict[str, Any]) -> None:
    """One signal for all that its user runs: no process can fork between being seen and being ended."""
    helper = os.fork()
    if helper == 0:
        take_user(task)
        os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(helper, 0)


def reap_all(main: int, task: dict[str, Any]) -> int:
    """Wait for the main process, then end whatever it left behind; its wait status."""
    _, status = os.waitpid(main, 0)
    patience = time.monotonic() + REAPED_WITHIN
    while True:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        if task["uid"] is not None and time.monotonic() > patience:
            end_all_of(task)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return status


def copy_output(main: int, logs: dict[int, Log], task: dict[str, Any]) -> int:
    """Keep the output until the task has ended and all it said is kept; its wait status."""
    end = os.pidfd_open(main)
    poll = select.poll()
    for descriptor in (end, *logs):
        poll.register(descriptor, select.POLLIN)
    status, left = None, set(logs)
    while left or status is None:
        for descriptor, _ in poll.poll():
            if descriptor == end:
                poll.unregister(end)
                status = reap_all(main, task)
            elif data := os.read(descriptor, BLOCK):
                logs[descriptor].write(data)
            else:
                poll.unregister(descriptor)
                left.discard(descriptor)
    return status


def say(line: dict[str, Any]) -> None:
    """Tell the agent, if there still is one."""
    try:
        os.write(1, json.dumps(line).encode())
        os.close(1)
    except OSError:
        return


def tell(child: int, word: bytes) -> None:
    """A child that could not even begin is gone already; what it has to say of that is in its other pipe."""
    try:
        os.write(child, word)
    except BrokenPipeError:
        return


def finish(folder: str, **facts: Any) -> None:
    write_whole(folder, "ended", {"time": time.time_ns(), **facts})


def run(folder: str, task: dict[str, Any]) -> None:
    (out, task_out), (err, task_err), (go, word), (complaint, trouble) = (os.pipe() for _ in range(4))
    main = os.fork()
    if main == 0:
        os.close(word)
        os.close(complaint)
        become(task, go, trouble, (task_out, task_err))
    for descriptor in (task_out, task_err, go, trouble):
        os.close(descriptor)
    me = os.getpid()
    facts = {"shim": me, "shim_start": start_ticks(me), "pid": main, "start": start_ticks(main)}
    facts |= {"marks": task["marks"], "machine": task["machine"]}
    write_whole(folder, "started", {"time": time.time_ns(), **facts})
    tell(word, b"g")
    if message := os.read(complaint, BLOCK).decode(errors="replace"):
        os.waitpid(main, 0)
        finish(folder, error=message)
        say({"error": message})
        return
    say(facts)
    keep = (task["log_files"], task["log_bytes"])
    logs = {
        out: Log(task["logs"], f"{task['name']}.stdout", *keep),
        err: Log(task["logs"], f"{task['name']}.stderr", *keep),
    }
    status = copy_output(main, logs, task)
    finish(folder, code=os.waitstatus_to_exitcode(status))


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.set_inheritable(int(sys.argv[2]), False)  # the lock is ours alone
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        task = json.loads(sys.stdin.buffer.read())
    except ValueError:
        return  # the agent died while it told us: nothing has begun
    try:
        run(sys.argv[1], task)
    except OSError as error:
        finish(sys.argv[1], error=f"{error.filename or 'the task'}: {error.strerror}")
        raise


if __name__ == "__main__":
    main()
