"""The agent: jobs come in, are placed on the one node, run, and end; everything else asks it."""

import asyncio
import contextlib
import logging
import re
import shutil
import time
from dataclasses import dataclass, field
from typing import Any

from . import task_events as events
from .allocations import AllocationRunner, folders_of, is_over
from .drains import MIGRATED, Drains
from .errors import Refused, faults_text
from .jobs import faults, filled
from .mounts import detach_all_but, forget
from .node import Settings, node_document, node_targets
from .removal import remove
from .scheduler import NoPlace, Placement, place
from .state import Change, Document, JobKey, Run, State, new_id
from .usage import Meter
from .users import forget_user, job_user

log = logging.getLogger("serai.local")

FINISHED_KEPT = 3  # allocations of a job, with their logs
EVALUATIONS_KEPT = 10  # of a job
FORCE_AFTER = 15.0  # seconds
BEGIN_AGAIN_AFTER = 5.0  # seconds
NO_UPDATES = {
    "Canary": 0, "DestructiveUpdate": 0, "Disconnect": 0, "Ignore": 0, "InPlaceUpdate": 0, "Migrate": 0, "Place": 0,
    "Preemptions": 0, "Reconnect": 0, "RescheduleLater": 0, "RescheduleNow": 0, "Stop": 0,
}  # fmt: skip
# Members of a job that say what it is; the others say how it goes.
NOT_SPEC = ("CreateIndex", "ModifyIndex", "JobModifyIndex", "Status", "StatusDescription", "SubmitTime", "Version")
DISK_FULL = "The disk of the local datacenter is full: nothing new can be started. Delete something, then try again."
NO_LONGER_NEEDED = "alloc not needed due to job update"


@dataclass
class Agent:
    settings: Settings
    state: State
    node: Document
    runners: dict[str, AllocationRunner] = field(default_factory=dict)
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    removals: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    def opened(cls, settings: Settings) -> "Agent":
        """The agent over its data folder, as the last one left it."""
        for name in ("alloc", "mounts", "packages", "storage"):
            (settings.tasks / name).mkdir(parents=True, exist_ok=True)
            (settings.tasks / name).chmod(0o755 if name == "packages" else 0o711)
        settings.tasks.chmod(0o711)
        state = State(settings.data / "state.sqlite")
        node_id = state.fact("node").get("value") or new_id()
        state.remember("node", value=node_id)
        agent = cls(settings, state, node_document(node_id, settings))
        agent._begin()
        return agent

    def _begin(self) -> None:
        if "default" not in self.state.documents["Namespace"]:
            self.save_namespace({"Name": "default", "Description": "Default shared namespace"})
        self.drains = Drains(self.state, self.node, self._all_live, self._move, self.retry_blocked)
        self.drains.restore()
        self.node["CreateIndex"] = self.node["ModifyIndex"] = self.state.index + 1
        self.state.commit(Change("Node", self.node, "NodeRegistration"))
        self.meter = Meter(self.runners, int(self.node["Attributes"]["cpu.frequency"]))

    async def resume(self) -> None:
        """Find everything again that went on without us."""
        for document in reversed(self.state.allocations()):
            if not is_over(document):
                self._run(document["ID"])
        for run in list(self.state.runs.values()):
            if run.purge and run.id not in self.running:
                self._forget_later(run.id)
        self._detach_strays()
        self.retry_blocked()
        self.drains.resume()

    def _detach_strays(self) -> None:
        """A task that was killed could not take away what it mounted."""
        live = {document["JobID"] for document in self.state.allocations() if not is_over(document)}
        for stray in detach_all_but(self.settings.tasks / "mounts", live):
            log.warning("Unmounted %s, which no running job needs", stray)

    # -- namespaces and variables

    def save_namespace(self, given: Document) -> None:
        name = given.get("Name")
        if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z0-9-]{1,128}", name):
            wrong = f'invalid name "{name or ""}". Must match regex ^[a-zA-Z0-9-]{{1,128}}$'
            raise Refused(500, f'Invalid namespace "{name or ""}": {faults_text([wrong])}')
        empty = {
            "Capabilities": None,
            "ConsulConfiguration": None,
            "Description": "",
            "Hash": "",
            "Meta": None,
            "NodePoolConfiguration": None,
            "Quota": "",
            "VaultConfiguration": None,
        }
        old = self.state.documents["Namespace"].get(name, {})
        self.state.commit(Change("Namespace", {**empty, **old, **given}))

    def save_variable(self, namespace: str, path: str, items: dict[str, str]) -> Document:
        self.check_namespace(namespace)
        now = time.time_ns()
        old = self.state.variable(namespace, path) or {"CreateTime": now}
        document = {**old, "Items": items, "ModifyTime": now, "Namespace": namespace, "Path": path}
        self.state.commit(Change("Variable", document))
        return document

    def delete_variable(self, namespace: str, path: str) -> None:
        if found := self.state.variable(namespace, path):
            self.state.commit(Change("Variable", found, gone=True))

    def check_namespace(self, namespace: str) -> None:
        if namespace not in self.state.documents["Namespace"]:
            raise Refused(500, f'nonexistent namespace "{namespace}"')

    # -- jobs

    def checked(self, given: Any, namespace: str) -> Document:
        """A job filled in and found without fault; the query's namespace wins over its own, as in Nomad."""
        job = filled(given, self.settings.region)
        job["Namespace"] = namespace or job["Namespace"]
        if found := faults(job):
            raise Refused(500, faults_text(found))
        if job["Namespace"] not in self.state.documents["Namespace"]:
            unknown = f'job "{job["ID"]}" is in nonexistent namespace "{job["Namespace"]}"'
            raise Refused(500, faults_text([unknown]))
        return job

    def register(self, given: Any, namespace: str) -> Document:
        """Take a job in and place it; the evaluation."""
        if self.state.unsaved:
            raise Refused(500, DISK_FULL)
        job = self.checked(given, namespace)
        key = (job["Namespace"], job["ID"])
        old = self.state.job(key)
        if old:
            changed = _spec(old) != _spec(job)
            job.update(Version=old["Version"] + changed, CreateIndex=old["CreateIndex"])
        job.update(SubmitTime=time.time_ns(), Status="pending", JobModifyIndex=self.state.index + 1)
        evaluation = self._evaluation(job, "job-register")
        self.state.commit(Change("Job", job, "JobRegistered"), Change("Evaluation", evaluation, "JobRegistered"))
        self._process(job, evaluation)
        return evaluation

    def deregister(self, key: JobKey, *, purge: bool) -> Document | None:
        """Stop a job, and with ``purge`` forget it; None if nobody knows it."""
        job = self.state.job(key)
        if job is None:
            return None
        job.update(Stop=True, JobModifyIndex=self.state.index + 1, Version=job["Version"] + (not job["Stop"]))
        evaluation = self._evaluation(job, "job-deregister")
        gone = Change("Job", job, "JobDeregistered", gone=purge)
        self.state.commit(gone, Change("Evaluation", evaluation, "JobDeregistered"))
        self._cancel_blocked(key, f'evaluation "{evaluation["ID"]}" successful')
        self._process(job, evaluation)
        if purge:
            self._purge(key)
        return evaluation

    def plan(self, given: Any, namespace: str) -> tuple[Document, Document | None]:
        """What would become of a job: the updates of its group, and why it would not be placed."""
        job = self.checked(given, namespace)
        key = (job["Namespace"], job["ID"])
        mine = {document["ID"] for document in self._live(key)}
        found = place(job, self.node, self._taken(without=mine))
        refused = {job["TaskGroups"][0]["Name"]: found.metrics} if isinstance(found, NoPlace) else None
        updates = {**NO_UPDATES, ("DestructiveUpdate" if mine else "Place"): 1}
        return {job["TaskGroups"][0]["Name"]: updates}, refused

    def _evaluation(self, job: Document, trigger: str, **members: Any) -> Document:
        return {
            "CreateTime": time.time_ns(),
            "ID": new_id(),
            "JobID": job["ID"],
            "JobModifyIndex": job["JobModifyIndex"],
            "Namespace": job["Namespace"],
            "Priority": job["Priority"],
            "SnapshotIndex": self.state.index + 1,
            "Status": "pending",
            "TriggeredBy": trigger,
            "Type": job["Type"],
            **members,
        }

    # -- placing

    def _live(self, key: JobKey) -> list[Document]:
        return [d for d in self.state.allocations(key) if not is_over(d)]

    def _all_live(self) -> list[Document]:
        return [document for document in self.state.allocations() if not is_over(document)]

    def _move(self, document: Document) -> None:
        """Stop an allocation, and place its job anew as soon as a node takes it."""
        self._stop(document, MIGRATED)
        job = self.state.job((document["Namespace"], document["JobID"]))
        if job and not job["Stop"]:
            self._process(job, self._evaluation(job, "node-drain"))

    def _taken(self, without: set[str] = frozenset()) -> list[Document]:  # type: ignore[assignment]
        return [document["AllocatedResources"] for document in self._all_live() if document["ID"] not in without]

    def _process(self, job: Document, evaluation: Document) -> None:
        """Bring what runs in line with what the job says: stop what is not wanted, place what is missing."""
        key, group = (job["Namespace"], job["ID"]), job["TaskGroups"][0]["Name"]
        wanted = [d for d in self.state.allocations(key) if d["DesiredStatus"] == "run"]
        current = [d for d in wanted if not job["Stop"] and d["JobVersion"] == job["Version"]]
        for document in wanted:
            if document not in current:
                self._stop(document)
        if job["Stop"] or current:
            self._complete(job, evaluation, {group: 0})
            return
        # What stops gives its room back only when it has ended; a job's own next allocation waits for that anyway.
        found = place(job, self.node, self._taken(without={d["ID"] for d in self._live(key)}))
        if isinstance(found, NoPlace):
            self._block(job, evaluation, found)
        else:
            self._place(job, evaluation, found)
            self._complete(job, evaluation, {group: 0})

    def _complete(self, job: Document, evaluation: Document, queued: dict[str, int], **members: Any) -> None:
        updates = {group: {**NO_UPDATES, "Place": 1} for group in queued}
        annotations = {"DesiredTGUpdates": updates, "PreemptedAllocs": None}
        evaluation.update(Status="complete", QueuedAllocations=queued, PlanAnnotations=annotations, **members)
        changes = [Change("Evaluation", evaluation, "EvaluationUpdated")]
        key = (job["Namespace"], job["ID"])
        finished = [e for e in self.state.evaluations(key) if e["Status"] != "blocked"]
        changes += [Change("Evaluation", old, gone=True) for old in finished[EVALUATIONS_KEPT:]]
        self.state.commit(*changes)

    def _block(self, job: Document, evaluation: Document, found: NoPlace) -> None:
        """It waits for room; the newest wait is the one that counts."""
        group = job["TaskGroups"][0]["Name"]
        failed = {group: found.metrics}
        key = (job["Namespace"], job["ID"])
        if evaluation["Status"] == "blocked":
            evaluation["FailedTGAllocs"] = failed
            return
        self._cancel_blocked(key, "canceled after more recent eval was processed")
        blocked = self._evaluation(
            job,
            "queued-allocs",
            Status="blocked",
            StatusDescription="created to place remaining allocations",
            PreviousEval=evaluation["ID"],
            FailedTGAllocs=failed,
        )
        self.state.commit(Change("Evaluation", blocked, "EvaluationUpdated"))
        self._complete(job, evaluation, {group: 1}, BlockedEval=blocked["ID"], FailedTGAllocs=failed)

    def _cancel_blocked(self, key: JobKey, why: str) -> None:
        for old in self.state.evaluations(key):
            if old["Status"] == "blocked":
                old.update(Status="canceled", StatusDescription=why)
                self.state.commit(Change("Evaluation", old, "EvaluationUpdated"))

    def retry_blocked(self) -> None:
        """Room may have appeared: those that matter more first, then those that wait longer."""
        blocked = [e for e in self.state.evaluations() if e["Status"] == "blocked"]
        for evaluation in sorted(blocked, key=lambda e: (-e["Priority"], e["CreateIndex"])):
            job = self.state.job((evaluation["Namespace"], evaluation["JobID"]))
            if job and not job["Stop"]:
                self._process(job, evaluation)

    def _place(self, job: Document, evaluation: Document, found: Placement) -> None:
        group = job["TaskGroups"][0]
        user = job_user(self.state, (job["Namespace"], job["ID"]))
        run = Run(new_id(), job, user.uid, user.gid)
        document = {
            "AllocatedResources": found.resources,
            "ClientDescription": "No tasks have started",
            "ClientStatus": "pending",
            "CreateTime": time.time_ns(),
            "DeploymentStatus": None,
            "DesiredDescription": "",
            "DesiredStatus": "run",
            "EvalID": evaluation["ID"],
            "FollowupEvalID": "",
            "ID": run.id,
            "JobID": job["ID"],
            "JobType": job["Type"],
            "JobVersion": job["Version"],
            "Metrics": found.metrics,
            "Name": f"{job['ID']}.{group['Name']}[0]",
            "Namespace": job["Namespace"],
            "NextAllocation": "",
            "NodeID": self.node["ID"],
            "NodeName": self.node["Name"],
            "TaskGroup": group["Name"],
            "TaskStates": {task["Name"]: events.new_state() for task in group["Tasks"]},
        }
        self.state.runs[run.id] = run
        self.state.commit(Change("Allocation", document, "PlanResult"), runs=[run])
        self._job_status(job)
        self._run(run.id)

    # -- running

    def _run(self, allocation_id: str) -> None:
        run = self.state.runs[allocation_id]
        runner = AllocationRunner(self.state, run, self.settings.data, self.settings.tasks, node_targets(self.node))
        before = self._previous(runner.document)
        self.runners[allocation_id] = runner
        task = asyncio.create_task(runner.run(before))
        self.running[allocation_id] = task
        task.add_done_callback(lambda _: self._ended(allocation_id))

    async def _wait_for(self, tasks: list[asyncio.Task[None]]) -> None:
        if tasks:
            await asyncio.wait(tasks)

    def _previous(self, document: Document) -> Any:
        """The end of the job's allocations before this one: a job never runs twice."""
        key = (document["Namespace"], document["JobID"])
        older = [d["ID"] for d in self._live(key) if d["CreateIndex"] < document["CreateIndex"]]
        return self._wait_for([self.running[one] for one in older if one in self.running])

    def _stop(self, document: Document, why: str = NO_LONGER_NEEDED) -> None:
        document.update(DesiredStatus="stop", DesiredDescription=why)
        self.state.commit(Change("Allocation", document, "AllocationUpdateDesiredStatus"))
        if runner := self.runners.get(document["ID"]):
            runner.stop()

    def _ended(self, allocation_id: str) -> None:
        task = self.running.pop(allocation_id)
        runner = self.runners.pop(allocation_id)
        if task.cancelled():
            return
        if fault := task.exception():
            # As if the agent had been started again: everything needed for it is written down.
            log.error("The runner of allocation %s failed; it begins again", allocation_id, exc_info=fault)
            asyncio.get_running_loop().call_later(BEGIN_AGAIN_AFTER, self._run, allocation_id)
            return
        key = (runner.document["Namespace"], runner.document["JobID"])
        if job := self.state.job(key):
            self._job_status(job)
        self._detach_strays()
        if runner.run_record.purge:
            self._forget_later(allocation_id)
        else:
            finished = [d["ID"] for d in self.state.allocations(key) if is_over(d)]
            for old in finished[FINISHED_KEPT:]:
                self._forget_later(old)
        self.retry_blocked()
        self.drains.look()

    def _job_status(self, job: Document) -> None:
        status = job_status(job, self.state)
        if job["Status"] != status:
            job["Status"] = status
            self.state.commit(Change("Job", job))

    # -- forgetting

    def _purge(self, key: JobKey) -> None:
        for document in self.state.allocations(key):
            run = self.state.runs[document["ID"]]
            run.purge = True
            self.state.save(run)
            if document["ID"] not in self.running:
                self._forget_later(document["ID"])
        self.state.commit(*(Change("Evaluation", e, gone=True) for e in self.state.evaluations(key)))

    def _forget_later(self, allocation_id: str) -> None:
        task = asyncio.create_task(self._forget(allocation_id))
        self.removals.add(task)
        task.add_done_callback(self.removals.discard)

    async def _forget(self, allocation_id: str) -> None:
        """Delete an allocation's files, then its record; what is mounted among them stays."""
        await asyncio.to_thread(shutil.rmtree, self.settings.data / "runs" / allocation_id, ignore_errors=True)
        kept = await asyncio.to_thread(remove, folders_of(self.settings.tasks, allocation_id).root)
        if kept:
            log.warning("Left where they are, since something is mounted there: %s", ", ".join(kept))
        if run := self.state.runs.get(allocation_id):
            self.state.forget_run(run)
        if document := self.state.documents["Allocation"].get(allocation_id):
            self.state.commit(Change("Allocation", document, gone=True))
            await self._forget_job((document["Namespace"], document["JobID"]))

    async def _forget_job(self, key: JobKey) -> None:
        if self.state.job(key) is None and not self.state.allocations(key):
            forget_user(self.state, key)
            await asyncio.to_thread(forget, self.settings.tasks / "mounts", key[1])

    # -- ending

    async def stop_tasks(self) -> None:
        """Stop every job, as asked to at the end; what does not end in time is ended hard."""
        for job in self.state.jobs():
            if not job["Stop"]:
                self.deregister((job["Namespace"], job["ID"]), purge=False)
        left = list(self.running.values())
        if left:
            await asyncio.wait(left, timeout=FORCE_AFTER)
        for runner in self.runners.values():
            for task in runner.tasks.values():
                if task.life:
                    task.life.signal(9)
        if left := list(self.running.values()):
            await asyncio.wait(left, timeout=3)

    async def leave(self) -> None:
        """Let the tasks go on alone."""
        going = [*self.running.values(), *self.removals]
        for task in going:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*going, return_exceptions=True)
        self.state.database.close()


def _spec(job: Document) -> Document:
    return {name: value for name, value in job.items() if name not in NOT_SPEC}


def job_status(job: Document, state: State) -> str:
    """Nomad's own, which says little: running while an allocation is wanted, dead when none is or all are over."""
    key = (job["Namespace"], job["ID"])
    allocations = state.allocations(key)
    if any(document["DesiredStatus"] == "run" and not is_over(document) for document in allocations):
        return "running"
    if job["Stop"] or allocations:
        return "dead"
    return "pending"


def job_summary(job: Document, state: State) -> Document:
    """How many of its allocations are in each state."""
    key = (job["Namespace"], job["ID"])
    names = {"pending": "Starting", "running": "Running", "complete": "Complete", "failed": "Failed", "lost": "Lost"}
    counts = dict.fromkeys(("Complete", "Failed", "Lost", "Queued", "Running", "Starting", "Unknown"), 0)
    for document in state.allocations(key):
        counts[names[document["ClientStatus"]]] += 1
    counts["Queued"] = sum(evaluation["Status"] == "blocked" for evaluation in state.evaluations(key))
    return {
        "Children": {"Dead": 0, "Pending": 0, "Running": 0},
        "CreateIndex": job["CreateIndex"],
        "JobID": job["ID"],
        "ModifyIndex": job["ModifyIndex"],
        "Namespace": job["Namespace"],
        "Summary": {job["TaskGroups"][0]["Name"]: counts},
    }
