"""What happens to a task, in Nomad's words and with all of Nomad's members."""

import time
from typing import Any

from .lifecycle import Verdict, duration
from .node import rfc3339
from .state import Document
from .supervise import Ending

EVENTS_KEPT = 10
EMPTY: Document = {
    "Details": {}, "DiskLimit": 0, "DisplayMessage": "", "DownloadError": "", "DriverError": "", "DriverMessage": "",
    "ExitCode": 0, "FailedSibling": "", "FailsTask": False, "GenericSource": "", "KillError": "", "KillReason": "",
    "KillTimeout": 0, "Message": "", "RestartReason": "", "SetupError": "", "Signal": 0, "StartDelay": 0,
    "TaskSignal": "", "TaskSignalReason": "", "Time": 0, "Type": "", "ValidationError": "", "VaultError": "",
}  # fmt: skip


def event(kind: str, shown: str, details: dict[str, str] | None = None, **members: Any) -> Document:
    return {**EMPTY, "Type": kind, "DisplayMessage": shown, "Details": details or {}, "Time": time.time_ns(), **members}


def new_state() -> Document:
    return {
        "Events": [],
        "Failed": False,
        "FinishedAt": None,
        "LastRestart": None,
        "Paused": "",
        "Restarts": 0,
        "StartedAt": None,
        "State": "pending",
    }


def add(state: Document, happened: Document) -> None:
    state["Events"] = [*state["Events"], happened][-EVENTS_KEPT:]


def received() -> Document:
    return event("Received", "Task received by client")


def setup() -> Document:
    message = "Building Task Directory"
    return event("Task Setup", message, {"message": message}, Message=message)


def setup_failure(why: str) -> Document:
    return event("Setup Failure", why, {"setup_error": why}, SetupError=why, FailsTask=True)


def started() -> Document:
    return event("Started", "Task started by client")


def driver_failure(why: str) -> Document:
    return event("Driver Failure", why, {"driver_error": why}, DriverError=why)


def failed_validation(why: str) -> Document:
    return event("Failed Validation", why, {"validation_error": why}, ValidationError=why)


def template(missing: str) -> Document:
    return event("Template", f"Missing: {missing}")


def template_failed(why: str) -> Document:
    shown = f"Template failed: {why}"
    return event("Killing", shown, {"kill_reason": shown}, KillReason=shown, FailsTask=True)


def terminated(ending: Ending, out_of_memory: str) -> Document:
    message = out_of_memory or ending.message
    details = {"exit_code": str(ending.code), "signal": str(ending.signal)}
    details["oom_killed"] = "true" if out_of_memory else "false"
    shown = f"Exit Code: {ending.code}"
    if ending.signal:
        shown += f", Signal: {ending.signal}"
    if message:
        shown += f', Exit Message: "{message}"'
        details["exit_message"] = message
    return event("Terminated", shown, details, ExitCode=ending.code, Signal=ending.signal, Message=message)


def restarting(seconds: float, reason: str) -> Document:
    delay = int(seconds * 1_000_000_000)
    details = {"restart_reason": reason, "start_delay": str(delay)}
    shown = f"Task restarting in {duration(delay)}"
    return event("Restarting", shown, details, RestartReason=reason, StartDelay=delay)


def not_restarting(reason: str) -> Document:
    details = {"fails_task": "true", "restart_reason": reason}
    return event("Not Restarting", reason, details, FailsTask=True, RestartReason=reason)


def restart_signaled(reason: str) -> Document:
    return event("Restart Signaled", reason, {"restart_reason": reason}, RestartReason=reason)


def killing(timeout: int) -> Document:
    shown = f"Sent interrupt. Waiting {duration(timeout)} before force killing"
    return event("Killing", shown, {"kill_timeout": duration(timeout)}, KillTimeout=timeout)


def killed() -> Document:
    return event("Killed", "Task successfully killed")


def sibling(why: Verdict) -> Document:
    details = {"failed_sibling": why.failed_sibling} if why.failed_sibling else {}
    return event(why.type, why.message, details, FailedSibling=why.failed_sibling)


def mark_started(state: Document, when: int) -> None:
    state.update(State="running", StartedAt=rfc3339(when))
    add(state, started())


def mark_dead(state: Document, *, failed: bool) -> None:
    state.update(State="dead", Failed=failed, FinishedAt=rfc3339(time.time_ns()))


def mark_restarting(state: Document, seconds: float, reason: str) -> None:
    happened = restarting(seconds, reason)
    add(state, happened)
    state.update(State="pending", Restarts=state["Restarts"] + 1, LastRestart=rfc3339(happened["Time"]))
