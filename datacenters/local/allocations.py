"""Running one allocation: its folders, the order of its tasks, its end."""

import asyncio
import os
from collections.abc import Awaitable, Mapping
from pathlib import Path

from . import task_events as events
from .environment import Folders
from .lifecycle import client_status, hook, is_sidecar, may_start, verdict
from .state import Change, Document, Run, State
from .supervise import NotStarted
from .tasks import Place, TaskRunner
from .users import User, end_all_of, separate

TERMINAL = ("complete", "failed", "lost")


def is_over(allocation: Document) -> bool:
    return allocation["ClientStatus"] in TERMINAL


def folders_of(tasks: Path, allocation_id: str) -> Folders:
    return Folders(tasks / "alloc" / allocation_id)


class AllocationRunner:
    def __init__(self, state: State, run: Run, data: Path, tasks: Path, node: Mapping[str, str]) -> None:
        self.known, self.run_record = state, run
        self.document = state.documents["Allocation"][run.id]
        self.folders = folders_of(tasks, run.id)
        self.user = User(run.uid, run.gid) if run.uid is not None and run.gid is not None else None
        self.group = run.job["TaskGroups"][0]
        self.wake = asyncio.Event()
        place = Place(self.document, run.job, self.folders, data / "runs" / run.id, self.user, node)
        self.tasks = {
            task["Name"]: TaskRunner(place, task, run.tasks.setdefault(task["Name"], {}), state, self.update)
            for task in self.group["Tasks"]
        }

    # -- telling

    def update(self) -> None:
        """A task changed: take over what the allocation now is, and look again at what comes next."""
        status, sentence = client_status(self.document["TaskStates"])
        self.document.update(ClientStatus=status, ClientDescription=sentence)
        # One transaction with the record of where its tasks are: after a crash neither may be ahead of the other.
        self.known.commit(Change("Allocation", self.document, "AllocationUpdated"), runs=[self.run_record])
        self.wake.set()

    # -- its life

    async def run(self, before: Awaitable[None]) -> None:
        """From wherever it is to its end. ``before`` is the end of what must not run beside it."""
        for task in self.tasks.values():
            if not task.state["Events"]:
                events.add(task.state, events.received())
        self.update()
        await before
        try:
            self._make_folders()
        except OSError as error:
            self._cannot_prepare(error)
            return
        async with asyncio.TaskGroup() as running:
            for task in self.tasks.values():
                running.create_task(task.run())
            await self._conduct()
        # A guardian that was killed cannot end what left its task's session and cleared its environment.
        if self.user:
            await asyncio.to_thread(end_all_of, self.user)

    async def _conduct(self) -> None:
        """Let tasks start and end in their order until all are dead."""
        while not all(task.dead.is_set() for task in self.tasks.values()):
            self.wake.clear()
            await self._end_some()
            for name in may_start(self.group["Tasks"], self.document["TaskStates"]):
                self.tasks[name].allow()
            if not all(task.dead.is_set() for task in self.tasks.values()):
                await self.wake.wait()

    async def _end_some(self) -> None:
        why = verdict(self.group["Tasks"], self.document["TaskStates"])
        if why:
            for task in self._live():
                events.add(task.state, events.sibling(why))
        if why or self.document["DesiredStatus"] == "stop":
            await self._kill_all()

    def _live(self) -> list[TaskRunner]:
        return [task for task in self.tasks.values() if not task.dead.is_set() and hook(task.task) != "poststop"]

    async def _kill_all(self) -> None:
        """Main tasks first, then the sidecars that serve them; poststop tasks come after."""
        await asyncio.gather(*(task.kill() for task in self._live() if not is_sidecar(task.task)))
        sidecars = self._live()
        if sidecars and (why := verdict(self.group["Tasks"], self.document["TaskStates"])):
            for task in sidecars:
                if task.state["Events"][-1]["Type"] != why.type:
                    events.add(task.state, events.sibling(why))
        await asyncio.gather(*(task.kill() for task in sidecars))

    def stop(self) -> None:
        """DesiredStatus says stop."""
        self.wake.set()

    async def restart(self, task: str) -> None:
        """One task or all that run. Raises NotStarted if there is none."""
        chosen = [one for one in self.tasks.values() if one.running and task in ("", one.name)]
        if not chosen:
            raise NotStarted("Task not running")
        whole = "task" if task else "running tasks"
        await asyncio.gather(*(one.restart(f"User requested {whole} to restart") for one in chosen))

    # -- folders

    def _make_folders(self) -> None:
        folders = self.folders
        folders.root.mkdir(parents=True, exist_ok=True)
        folders.root.chmod(0o711)
        folders.logs.mkdir(exist_ok=True, mode=0o700)
        if any(task.private.get("attempt") for task in self.tasks.values()):
            return  # tasks live in them by now
        for task in self.group["Tasks"]:
            own = folders.task(task["Name"])
            user = None if task["User"] == "root" else self.user
            _make(user, own, own / "local", own / "secrets", own / "tmp")
        shared = folders.shared
        _make(self.user, shared, *(shared / name for name in ("data", "logs", "tmp")))

    def _cannot_prepare(self, error: OSError) -> None:
        why = f"The task's folder {error.filename} could not be made: {error.strerror}."
        free = _free_megabytes(self.folders.root.parent)
        if free is not None and free < 1:
            why = f"The disk of the local datacenter is full ({free} MB free). Delete something, then start again."
        for task in self.tasks.values():
            if hook(task.task) == "main":
                task.fail(why)
        for task in self.tasks.values():
            if not task.dead.is_set():
                task.fail(why)


def _make(user: User | None, *folders: Path) -> None:
    for folder in folders:
        folder.mkdir(mode=0o700, exist_ok=True)
    if user and separate():
        for folder in reversed(folders):
            os.chown(folder, user.uid, user.gid, follow_symlinks=False)


def _free_megabytes(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize // 2**20
