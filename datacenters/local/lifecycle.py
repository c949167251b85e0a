"""When each task of a group may start, when it must end, and what an allocation is called meanwhile.

Pure functions of the tasks' states, so that an agent that comes back decides as the one before it did.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from .state import Document
from .supervise import Ending

SECOND = 1_000_000_000


def hook(task: Document) -> str:
    return str(task["Lifecycle"]["Hook"]) if task["Lifecycle"] else "main"


def is_sidecar(task: Document) -> bool:
    return bool(task["Lifecycle"] and task["Lifecycle"]["Sidecar"] and hook(task) != "poststop")


def may_start(tasks: list[Document], states: Mapping[str, Document]) -> set[str]:
    """Names of the tasks whose turn has come (those that have begun among them)."""
    prestarts = [task for task in tasks if hook(task) == "prestart"]
    mains = [task for task in tasks if hook(task) == "main"]
    ready = {"prestart"}
    if all(_prepared(task, states[task["Name"]]) for task in prestarts):
        ready.add("main")
    if all(states[task["Name"]]["StartedAt"] for task in mains):
        ready.add("poststart")
    if all(states[task["Name"]]["State"] == "dead" for task in tasks if hook(task) != "poststop"):
        ready.add("poststop")
    return {task["Name"] for task in tasks if hook(task) in ready}


def _prepared(task: Document, state: Document) -> bool:
    if is_sidecar(task):
        return bool(state["StartedAt"])  # started, not ready: who needs it ready waits in a prestart task
    return bool(state["State"] == "dead" and not state["Failed"])


@dataclass(frozen=True)
class Verdict:
    """Why the rest of the group must end."""

    type: str
    message: str
    failed_sibling: str = ""


def verdict(tasks: list[Document], states: Mapping[str, Document]) -> Verdict | None:
    """A task failed, or only sidecars are left; poststop tasks count for nothing here."""
    counted = [task for task in tasks if hook(task) != "poststop"]
    live = [task for task in counted if states[task["Name"]]["State"] != "dead"]
    if not live:
        return None
    for task in counted:
        state = states[task["Name"]]
        if state["State"] == "dead" and state["Failed"]:
            return Verdict("Sibling Task Failed", f'Task\'s sibling "{task["Name"]}" failed', task["Name"])
    if all(is_sidecar(task) for task in live):
        return Verdict("Main Tasks Dead", "Main tasks in the group died")
    return None


def client_status(states: Mapping[str, Document]) -> tuple[str, str]:
    """An allocation's status and its sentence, as Nomad's client says them."""
    seen = {state["State"] for state in states.values()}
    if any(state["State"] == "dead" and state["Failed"] for state in states.values()):
        return "failed", "Failed tasks"
    if "running" in seen:
        return "running", "Tasks are running"
    if "pending" in seen:
        return "pending", "No tasks have started"
    return "complete", "All tasks have completed"


# -- restarts


@dataclass(frozen=True)
class Decision:
    """What follows an end: another start after a delay, or death (failed or not)."""

    again_after: float | None  # seconds
    failed: bool = False
    reason: str = ""


def _restarts_on_success(task: Document, job_type: str) -> bool:
    if task["Lifecycle"]:
        return is_sidecar(task)
    return job_type == "service"


def decide(task: Document, job_type: str, ending: Ending, count: int) -> Decision:
    """``count`` is how often it ended within the policy's interval, this end included."""
    policy = task["RestartPolicy"]
    if ending.success and not _restarts_on_success(task, job_type):
        return Decision(None)
    if policy["Attempts"] == 0:
        return Decision(None, failed=True, reason="Policy allows no restarts")
    if ending.never_began:
        return Decision(None, failed=True, reason="Error was unrecoverable")
    if count <= policy["Attempts"]:
        jitter = 1 + random.random() / 4  # noqa: S311 (no secret)
        return Decision(policy["Delay"] / SECOND * jitter, reason="Restart within policy")
    if policy["Mode"] == "delay":
        reason = "Exceeded allowed attempts, applying a delay"
        return Decision(policy["Interval"] / SECOND, reason=reason)
    interval = duration(policy["Interval"])
    reason = f'Exceeded allowed attempts {policy["Attempts"]} in interval {interval} and mode is "fail"'
    return Decision(None, failed=True, reason=reason)


def duration(nanoseconds: int) -> str:
    """As Go writes one: 5s, 1m30s, 30m0s, 3.309587831s."""
    seconds, rest = divmod(nanoseconds, SECOND)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    shown = f"{seconds}.{rest:09d}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown
