"""Running one task of an allocation: prepare, start, watch, restart, end. It can be picked up at any point."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import task_events as events
from .environment import Folders, config_values, device_environment, operator_environment, task_environment
from .lifecycle import decide, hook
from .scheduler import port_is_free
from .state import Document, State
from .supervise import Ending, Life, NotStarted
from .templates import Items, MissingVariable, env_lines, parse, render
from .users import User, packages_user, separate
from .values import UnknownValue, interpolate, interpolate_config

SECOND = 1_000_000_000
MAX_KILL_TIMEOUT = 30 * SECOND
SIGNALS = signal.Signals.__members__


@dataclass(frozen=True)
class Place:
    """All that a task's start needs to know of its surroundings."""

    allocation: Document
    job: Document
    folders: Folders
    runs: Path  # where its shims keep their notes
    user: User | None  # None: the agent's own
    node: Mapping[str, str]


class TaskRunner:
    """``private`` is this task's part of the run's record: attempt, phase, and what must outlive the agent."""

    def __init__(
        self, place: Place, task: Document, private: Document, state: State, changed: Callable[[], None]
    ) -> None:
        self.place, self.task, self.private, self.known, self.changed = place, task, private, state, changed
        self.name: str = task["Name"]
        self.state: Document = place.allocation["TaskStates"][self.name]
        self.allowed, self.ending_wanted, self.restart_wanted = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.dead = asyncio.Event()
        self.life: Life | None = None
        if private.get("restart"):
            self.restart_wanted.set()
        if self.state["State"] == "dead":
            self.dead.set()

    # -- what the allocation tells it

    def allow(self) -> None:
        self.allowed.set()

    async def kill(self) -> None:
        """End it, and wait until it has ended."""
        if self.dead.is_set():
            return
        if not self.ending_wanted.is_set():
            self._tell(events.killing(self.kill_timeout))
            self.ending_wanted.set()
        await self.dead.wait()

    async def restart(self, reason: str) -> None:
        """End it and let it begin again at once; returns when it has ended."""
        life = self.life
        self.private["restart"] = True
        self._tell(events.restart_signaled(reason))
        self.restart_wanted.set()
        while self.life is life and not self.dead.is_set():
            await asyncio.sleep(0.05)

    def out_of_memory(self, why: str) -> None:
        """It used more than it asked for: end it at once, and remember why."""
        self.private["out_of_memory"] = why
        self._save()
        if self.life:
            self.life.signal(signal.SIGKILL)

    @property
    def running(self) -> bool:
        return bool(self.state["State"] == "running")

    @property
    def kill_timeout(self) -> int:
        return min(int(self.task["KillTimeout"]), MAX_KILL_TIMEOUT)

    # -- its life

    async def run(self) -> None:
        if self.dead.is_set():
            return
        if not self.private.get("attempt"):
            await _first(self.allowed.wait(), self.ending_wanted.wait())
        while not self.dead.is_set():
            if await self._delayed():
                await self._live_once()

    async def _delayed(self) -> bool:
        """Wait out a restart's delay; False if it was ended meanwhile."""
        rest = self.private.get("not_before", 0) - time.time()
        if rest > 0 and not self.ending_wanted.is_set():
            await _first(asyncio.sleep(rest), self.ending_wanted.wait())
        if self.ending_wanted.is_set() and self.private.get("phase") not in ("starting", "running"):
            self._die(failed=False)
            return False
        return True

    async def _live_once(self) -> None:
        try:
            self.life = await self._found_again() or await self._started()
        except UnknownValue as reason:
            self._could_not_start(events.failed_validation(f"failed to parse config: {reason}"))
            return
        except NotStarted as reason:
            self._could_not_start(events.driver_failure(str(reason)))
            return
        if self.life:
            ending = await self._watched(self.life)
            self.life = None
            self._after(ending)

    def _could_not_start(self, why: Document) -> None:
        self._tell(why)
        self._after(Ending(code=-1, message=why["DisplayMessage"], never_began=True))

    def _life(self) -> Life:
        return Life(self.place.runs / self.name / str(self.private["attempt"]))

    async def _found_again(self) -> Life | None:
        """The life an earlier agent started, running or ended since."""
        if self.private.get("phase") not in ("starting", "running"):
            return None
        life = self._life()
        began = await life.began()
        if began is None and self.private["phase"] == "starting":
            return None  # it never began: starting it is no second start
        if self.private["phase"] == "starting" and began:
            self._begun(began)
        return life

    async def _started(self) -> Life | None:
        """A new life; None if it was ended while it waited for its variables."""
        if not self.state["StartedAt"]:
            self._tell(events.setup())
        prepared = await self._prepared()
        if prepared is None:
            self._die(failed=False)
            return None
        self.private["attempt"] = self.private.get("attempt", 0) + 1
        self.private.update(phase="starting", out_of_memory="")
        self._save()
        life = self._life()
        self._begun(await life.start(prepared))
        return life

    def _begun(self, when: int) -> None:
        self.private["phase"] = "running"
        events.mark_started(self.state, when)
        self.changed()

    async def _watched(self, life: Life) -> Ending:
        end = asyncio.ensure_future(life.end())
        await _first(asyncio.shield(end), self.ending_wanted.wait(), self.restart_wanted.wait())
        if not end.done():
            life.signal(self._kill_signal())
            await asyncio.wait((end,), timeout=self.kill_timeout / SECOND)
        if not end.done():
            life.signal(signal.SIGKILL)
        return await end

    def _kill_signal(self) -> int:
        return SIGNALS.get(self.task["KillSignal"] or "SIGINT", signal.SIGINT)

    def _after(self, ending: Ending) -> None:
        """Write down how it ended, and decide what follows."""
        self.private["phase"] = "ended"
        if not ending.never_began:
            self._add(events.terminated(ending, self.private.get("out_of_memory", "")))
        if self.ending_wanted.is_set():
            if not ending.never_began:
                self._add(events.killed())
            self._die(failed=False)
        elif self.restart_wanted.is_set():
            self.restart_wanted.clear()
            self.private["restart"] = False
            self._restart(0, "")
        else:
            self._follow_policy(ending)

    def _follow_policy(self, ending: Ending) -> None:
        if self.private.get("out_of_memory") and ending.success:
            ending = Ending(code=-1, time=ending.time)
        if ending.machine_restarted:  # not its doing: as Nomad does with a task that it does not find again
            self._restart(0, "The machine was restarted")
            return
        decision = decide(self.task, self.place.job["Type"], ending, self._count_end())
        if decision.again_after is not None:
            self._restart(decision.again_after, decision.reason)
            return
        if decision.failed:
            self._add(events.not_restarting(decision.reason))
        self._die(failed=decision.failed)

    def _count_end(self) -> int:
        """How often it ended within the policy's interval."""
        now, interval = time.time(), self.task["RestartPolicy"]["Interval"] / SECOND
        if now - self.private.get("window", 0) > interval:
            self.private.update(window=now, ends=0)
        self.private["ends"] += 1
        return int(self.private["ends"])

    def _restart(self, seconds: float, reason: str) -> None:
        self.private["not_before"] = time.time() + seconds
        events.mark_restarting(self.state, seconds, reason)
        self.changed()

    def _die(self, *, failed: bool) -> None:
        self.private["phase"] = "dead"
        events.mark_dead(self.state, failed=failed)
        self.dead.set()
        self.changed()

    def fail(self, why: str) -> None:
        """It cannot even be prepared."""
        self._add(events.setup_failure(why))
        self._die(failed=True)

    def _add(self, happened: Document) -> None:
        events.add(self.state, happened)

    def _tell(self, happened: Document) -> None:
        self._add(happened)
        self.changed()

    def _save(self) -> None:
        run = self.known.runs[self.place.allocation["ID"]]
        self.known.save(run)

    # -- preparing

    async def _prepared(self) -> Document | None:
        """What the shim is told; None if the task was ended while it waited for a variable."""
        while not self.ending_wanted.is_set():
            index = self.known.index
            try:
                return self._told()
            except MissingVariable as missing:
                self._tell_missing(missing.path)
            await _first(self.known.changed(max(index, self.known.index), 3600), self.ending_wanted.wait())
        return None

    def _tell_missing(self, path: str) -> None:
        job = self.place.job
        block = f"nomad.var.block({path}@{job['Namespace']}.{job['Region']})"
        if not any(event["DisplayMessage"] == f"Missing: {block}" for event in self.state["Events"]):
            self._tell(events.template(block))

    def _told(self) -> Document:
        if not self.task["Config"].get("command"):
            raise UnknownValue("command is missing")
        self._check_ports()
        env, files = self._environment()
        known = config_values(env, self.place.node)
        config = self.task["Config"]
        user = None if self.task["User"] == "root" or not separate() else self.place.user
        own = self.place.folders.task(self.name)
        return {
            "name": self.name,
            "command": interpolate_config(str(config.get("command", "")), known),
            "args": [interpolate_config(str(arg), known) for arg in config.get("args") or []],
            "env": env,
            "folder": interpolate_config(str(config.get("work_dir") or own), known),
            "files": files,
            "logs": str(self.place.folders.logs),
            "log_files": self.task["LogConfig"]["MaxFiles"],
            "log_bytes": self.task["LogConfig"]["MaxFileSizeMB"] * 2**20,
            "uid": user.uid if user else None,
            "gid": user.gid if user else None,
            # What an operator task makes is for other users to read.
            "umask": 0o022 if self.task["User"] == "root" else 0o007,
            "marks": {name: env[name] for name in ("NOMAD_ALLOC_ID", "NOMAD_TASK_NAME")},
        }

    def _environment(self) -> tuple[dict[str, str], list[Document]]:
        """The whole environment, and the files that templates make."""
        place = self.place
        given = place.allocation["AllocatedResources"]["Tasks"][self.name]
        env = task_environment(place.job, self.task, place.allocation, place.folders, place.node)
        env |= device_environment(given)
        if self.task["User"] == "root":
            env = operator_environment() | env
        if self.task["User"] == "root" and place.user:
            env |= {"SERAI_TASK_UID": str(place.user.uid), "SERAI_TASK_GID": str(place.user.gid)}
        if self.task["User"] == "root" and separate():
            builder = packages_user(self.known)
            env |= {"SERAI_PACKAGES_UID": str(builder.uid), "SERAI_PACKAGES_GID": str(builder.gid)}
        files = []
        for template in self.task["Templates"] or []:
            parts = parse(template["EmbeddedTmpl"], template["LeftDelim"], template["RightDelim"])
            content = render(parts, env, self._variable)
            if template["Envvars"]:
                env |= env_lines(content)
            path = self._inside(interpolate(template["DestPath"], {**place.node, **env}))
            files.append({"path": str(path), "content": content, "mode": int(template["Perms"], 8)})
        return env, files

    def _variable(self, path: str) -> Items | None:
        """A task may read its own job's variables, as Nomad's workload identity may; no other."""
        job = self.place.job
        mine = f"nomad/jobs/{job['ID']}"
        group = f"{mine}/{self.place.allocation['TaskGroup']}"
        if path not in ("nomad/jobs", mine, group, f"{group}/{self.name}"):
            return None
        found = self.known.variable(job["Namespace"], path)
        return found["Items"] if found else None

    def _inside(self, path: str) -> Path:
        own = self.place.folders.task(self.name)
        target = Path(own, path.lstrip("/") if not path.startswith(str(own)) else path)
        if ".." in target.parts:
            raise NotStarted(f'Template destination "{path}" leads out of the task\'s folder.')
        return target

    def _check_ports(self) -> None:
        """Only before the group's first start: later the port is taken by the group itself."""
        if any(state["StartedAt"] for state in self.place.allocation["TaskStates"].values()):
            return
        for port in self.place.allocation["AllocatedResources"]["Shared"]["Ports"] or []:
            if not port_is_free(port["Value"]):
                raise NotStarted(
                    f"Port {port['Value']} ({port['Label']}) is already used by another program of this machine. "
                    "End that program, or start this job again to get another port."
                )

    @property
    def is_poststop(self) -> bool:
        return hook(self.task) == "poststop"


async def _first(*waits: Awaitable[object]) -> None:
    """Wait for whichever comes first; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
