"""JobState from a job, its allocations and its evaluations; never from the job's own status.

Nomad calls a service "running" that has no place, and a job "dead" that ended well, failed or was stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from datacenters.interface import Endpoint, JobState, JobStatus, Reason, Stage, TaskState

from .failures import exit_code, is_pulling, waits_for, why_failed
from .render import MAIN_META

Job = Mapping[str, Any]
Allocation = Mapping[str, Any]
Evaluation = Mapping[str, Any]

# Evaluations that still mean something; one call and a list of all must count the same ones into the index.
WAITING = frozenset({"blocked", "failed", "pending"})
TERMINAL = frozenset({"complete", "failed", "lost"})
# Which task's end a start waits for, in the order in which people are told.
STAGES = (
    ("packages", Stage.PACKAGES),
    ("storage", Stage.STORAGE),
    ("storage-wait", Stage.STORAGE),
    ("datasets", Stage.DATASETS),
)


@dataclass(frozen=True)
class Outcome:
    status: JobStatus
    stage: Stage | None = None
    reason: Reason | None = None


def job_state(
    job: Job,
    allocations: Sequence[Allocation],
    evaluations: Sequence[Evaluation] = (),
    *,
    why: Callable[[Mapping[str, Any]], Reason],
    datacenter_of: Callable[[str], str | None] = lambda _node_id: None,
) -> JobState:
    """``job`` may be the whole job or its line in the list (with meta). ``why`` explains a failed placement."""
    newest = max(allocations, key=_created, default=None)
    waiting = [one for one in evaluations if one.get("Status") in WAITING]
    outcome = _outcome(job, newest, allocations, waiting, why)
    state = JobState(
        job_id=job["ID"],
        namespace=job.get("Namespace") or "default",
        status=outcome.status,
        index=max(one.get("ModifyIndex") or 0 for one in (job, *allocations, *waiting)),
        stage=outcome.stage,
        reason=outcome.reason,
    )
    return state if newest is None else _placed(state, newest, datacenter_of)


def needs_evaluations(job: Job, allocations: Sequence[Allocation]) -> bool:
    """Only of a job that has no place (any more) do its evaluations tell something."""
    newest = max(allocations, key=_created, default=None)
    return not job.get("Stop") and (newest is None or _was_moved(newest))


def _created(one: Allocation | Evaluation) -> int:
    return one.get("CreateIndex") or 0


def _placed(state: JobState, allocation: Allocation, datacenter_of: Callable[[str], str | None]) -> JobState:
    ended = allocation.get("ClientStatus") in TERMINAL
    return replace(
        state,
        allocation_id=allocation["ID"],
        node=allocation.get("NodeName") or None,
        datacenter=datacenter_of(allocation.get("NodeID") or ""),
        endpoints=() if ended else endpoints(allocation),
        tasks=tuple(task_state(name, raw) for name, raw in _task_states(allocation).items()),
    )


def _outcome(
    job: Job,
    newest: Allocation | None,
    allocations: Sequence[Allocation],
    evaluations: Sequence[Evaluation],
    why: Callable[[Mapping[str, Any]], Reason],
) -> Outcome:
    if job.get("Stop"):
        return _stopped(allocations)
    if newest is None or _was_moved(newest):
        return _waiting(job, newest, evaluations, why)
    return OUTCOMES[newest.get("ClientStatus") or "pending"](job, newest)


def _stopped(allocations: Sequence[Allocation]) -> Outcome:
    live = [one for one in allocations if one.get("ClientStatus") not in TERMINAL]
    away = next((one for one in live if one.get("ClientStatus") == "unknown"), None)
    if away is not None:
        sentence = f"{_node(away)} is out of reach; the job is stopped there as soon as it is back."
        return Outcome(JobStatus.UNKNOWN, reason=Reason(sentence))
    return Outcome(JobStatus.STOPPING if live else JobStatus.STOPPED)


def _waiting(
    job: Job,
    newest: Allocation | None,
    evaluations: Sequence[Evaluation],
    why: Callable[[Mapping[str, Any]], Reason],
) -> Outcome:
    placed = _created(newest) if newest else 0
    ordered = sorted((one for one in evaluations if _created(one) > placed), key=_created, reverse=True)
    for evaluation in ordered:
        for metrics in (evaluation.get("FailedTGAllocs") or {}).values():
            return Outcome(JobStatus.PENDING, reason=why(metrics))
    if ordered and ordered[0].get("Status") == "failed":
        text = ordered[0].get("StatusDescription") or "no reason given"
        return Outcome(JobStatus.PENDING, reason=Reason(f"The datacenter could not decide where it goes: {text}."))
    if newest is None and job.get("Status") == "dead":
        sentence = "The datacenter has forgotten how this job ended."
        return Outcome(JobStatus.UNKNOWN, reason=Reason(sentence, "Its log may still be here; start it again."))
    return Outcome(JobStatus.PENDING)


def _was_moved(allocation: Allocation) -> bool:
    """It ended because the datacenter wanted so (a drained node, a start after a stop), and nothing came after."""
    return allocation.get("ClientStatus") == "complete" and allocation.get("DesiredStatus") in ("stop", "evict")


def _pending(job: Job, allocation: Allocation) -> Outcome:
    states = _task_states(allocation)
    if not states:
        return Outcome(JobStatus.STARTING, Stage.PLACED)
    mains = [states[name] for name in _main_tasks(job, states) if name in states]
    if mains and all(state.get("State") == "dead" for state in mains):
        return Outcome(JobStatus.RUNNING)  # about to clean up, which is no start
    return Outcome(JobStatus.STARTING, _stage(states), waits_for(states))


def _running(job: Job, allocation: Allocation) -> Outcome:
    states = _task_states(allocation)
    mains = [states[name] for name in _main_tasks(job, states) if name in states]
    if not mains or any(state.get("State") == "pending" for state in mains):
        return Outcome(JobStatus.STARTING, _stage(states), waits_for(states))
    return Outcome(JobStatus.RUNNING, Stage.HEALTH if job.get("Type") == "service" else None)


def _complete(job: Job, allocation: Allocation) -> Outcome:
    if job.get("Type") == "batch":
        return Outcome(JobStatus.COMPLETED)
    sentence = "All its tasks ended, although a service should go on."
    return Outcome(
        JobStatus.FAILED, reason=Reason(sentence, "Its log says more.", {"node": allocation.get("NodeName")})
    )


def _failed(_job: Job, allocation: Allocation) -> Outcome:
    tasks = (allocation.get("AllocatedResources") or {}).get("Tasks") or {}
    memory_mb = {name: (task.get("Memory") or {}).get("MemoryMB") or 0 for name, task in tasks.items()}
    description = allocation.get("ClientDescription") or ""
    reason = why_failed(_task_states(allocation), memory_mb, description)
    return Outcome(JobStatus.FAILED, dict(STAGES).get(reason.evidence.get("task", "")), reason)


def _out_of_reach(_job: Job, allocation: Allocation) -> Outcome:
    sentence = f"{_node(allocation)} is out of reach; what runs there goes on, but cannot be seen."
    advice = "It is seen again when the node is back."
    return Outcome(JobStatus.UNKNOWN, reason=Reason(sentence, advice, {"node": allocation.get("NodeName")}))


def _lost(_job: Job, allocation: Allocation) -> Outcome:
    sentence = f"{_node(allocation)} was lost with the job on it."
    advice = "Start it again, here or in another datacenter."
    return Outcome(JobStatus.UNKNOWN, reason=Reason(sentence, advice, {"node": allocation.get("NodeName")}))


OUTCOMES: Mapping[str, Callable[[Job, Allocation], Outcome]] = {
    "pending": _pending,
    "running": _running,
    "complete": _complete,
    "failed": _failed,
    "unknown": _out_of_reach,
    "lost": _lost,
}


def _stage(states: Mapping[str, Mapping[str, Any]]) -> Stage:
    """The first thing that is not done yet; tasks that run before main start all together."""
    for name, stage in STAGES:
        if name in states and states[name].get("State") != "dead":
            return stage
    return Stage.PACKAGES if any(is_pulling(state) for state in states.values()) else Stage.STARTING


def _main_tasks(job: Job, states: Mapping[str, Any]) -> list[str]:
    named = (job.get("Meta") or {}).get(MAIN_META, "")
    return named.split(",") if named else [name for name in states if name == "main"] or list(states)


def _task_states(allocation: Allocation) -> Mapping[str, Mapping[str, Any]]:
    return allocation.get("TaskStates") or {}


def _node(allocation: Allocation) -> str:
    return f"Node {allocation['NodeName']}" if allocation.get("NodeName") else "Its node"


def endpoints(allocation: Allocation) -> tuple[Endpoint, ...]:
    shared = (allocation.get("AllocatedResources") or {}).get("Shared") or {}
    return tuple(
        Endpoint(port["Label"], port.get("HostIP") or "127.0.0.1", port["Value"]) for port in shared.get("Ports") or ()
    )


def task_state(name: str, raw: Mapping[str, Any]) -> TaskState:
    return TaskState(
        name=name,
        state=raw.get("State") or "pending",
        failed=bool(raw.get("Failed")),
        restarts=raw.get("Restarts") or 0,
        exit_code=exit_code(raw),
        started=_time(raw.get("StartedAt")),
        finished=_time(raw.get("FinishedAt")),
        events=tuple(
            (_nanoseconds(event.get("Time") or 0), event.get("Type") or "", event.get("DisplayMessage") or "")
            for event in raw.get("Events") or ()
        ),
    )


def _time(text: str | None) -> datetime | None:
    """Nomad writes null or the year 1 for "not yet"."""
    return None if not text or text.startswith("0001-") else datetime.fromisoformat(text)


def _nanoseconds(time: int) -> datetime:
    return datetime.fromtimestamp(time / 1e9, tz=UTC)
