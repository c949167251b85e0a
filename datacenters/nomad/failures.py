"""What a task's events say, in plain words: why it failed, or what it waits for."""

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from datacenters.interface import Reason

Event = Mapping[str, Any]
States = Mapping[str, Mapping[str, Any]]  # Nomad's TaskStates: name → state

# What the operator's tasks do, for people who never heard of tasks.
DOES: Mapping[str, str | Promise] = {
    "packages": gettext_lazy("Installing the module's packages"),
    "storage": gettext_lazy("Preparing the storage"),
    "storages": gettext_lazy("Attaching the storages"),
    "storage-wait": gettext_lazy("Attaching the storages"),
    "storages-end": gettext_lazy("Writing to the storages"),
    "datasets": gettext_lazy("Fetching the datasets"),
}
SEE_THE_LOG = gettext_lazy("Its log says more.")
NO_ROOM = re.compile(r"no space left on device|disk quota exceeded|disk of .* is full", re.IGNORECASE)
DISK_FULL = gettext_lazy("It could not be started, since the disk of the machine is full.")
MAKE_ROOM = gettext_lazy("Tell the operator of the datacenter, and start it again once there is room.")
CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT})
MORE_MEMORY = gettext_lazy("Start it again with more memory.")


def why_failed(states: States, memory_mb: Mapping[str, int], description: str = "") -> Reason:
    """The first task that failed of itself says why; without one, Nomad's own description must do."""
    failed = [name for name, state in states.items() if state.get("Failed")]
    if not failed:
        return _of_the_allocation(description)
    first = min(failed, key=lambda name: states[name].get("FinishedAt") or "9999")
    reason = _of_task(first, states[first], memory_mb.get(first, 0))
    return Reason(_after_restarts(reason.sentence, states[first]), reason.advice, {"task": first, **reason.evidence})


def waits_for(states: States) -> Reason | None:
    """What keeps a task from starting, where its events tell."""
    for name, state in states.items():
        event = _last(state)
        if state.get("State") == "pending" and event is not None:
            found = WAITS.get(event.get("Type", ""))
            if found and (reason := found(name, event, state)):
                return reason
    return None


def is_pulling(state: Mapping[str, Any]) -> bool:
    event = _last(state)
    return event is not None and event.get("Type") == "Driver" and "image" in event.get("DisplayMessage", "")


def exit_code(state: Mapping[str, Any]) -> int | None:
    event = _newest(state, "Terminated")
    code = None if event is None else _number(event, "exit_code", "ExitCode")
    # -1: the client came back and had lost hold of the program, so nobody knows how it ended.
    return None if code is None or code < 0 else code


# ── Failed ───────────────────────────────────────────────────────────────────────────────────────


def _of_task(name: str, state: Mapping[str, Any], memory_mb: int) -> Reason:
    for event in reversed(state.get("Events") or ()):
        found = FAILURES.get(event.get("Type", ""))
        if found and (reason := found(name, event, memory_mb)):
            return reason
    texts = [_text(event) for event in state.get("Events") or () if event.get("Type") != "Not Restarting"]
    return Reason(f"{_task(name)} failed{_colon(texts[-1] if texts else '')}", str(SEE_THE_LOG))


def _of_the_allocation(description: str) -> Reason:
    text = "" if description in ("", "Failed tasks") else description
    return Reason(
        _("The node could not run the job%(colon)s") % {"colon": _colon(text)},
        _("Try again, or choose another datacenter."),
    )


def _driver_failure(name: str, event: Event, _memory_mb: int) -> Reason:
    text = _text(event)
    evidence = {"event": text}
    if NO_ROOM.search(text):
        return Reason(str(DISK_FULL), str(MAKE_ROOM), evidence)
    if image := re.search(r"[Ff]ailed to pull `([^`]+)`", text):
        return Reason(
            _("The image %(image)s could not be fetched.") % {"image": image[1]},
            _("Check its name and tag, and that the datacenter may reach its registry."),
            evidence,
        )
    if re.search(r"no such file|not (be )?found|executable file|could not find|failed to find", text, re.IGNORECASE):
        whose = "" if name == "main" else _(" of the task “%(name)s”") % {"name": name}
        return Reason(
            _("The program%(whose)s was not found on the node.") % {"whose": whose},
            _("Ask the datacenter's operator."),
            evidence,
        )
    return Reason(
        _("%(task)s could not be started: %(short)s") % {"task": _task(name), "short": _short(text)},
        _("Try again, or ask the operator."),
        evidence,
    )


def _terminated(name: str, event: Event, memory_mb: int) -> Reason:
    code, number = _number(event, "exit_code", "ExitCode"), _number(event, "signal", "Signal")
    evidence: dict[str, Any] = {"exit_code": code, "signal": number}
    if memory_mb:
        evidence["memory_mb"] = memory_mb
    limit = _(" its %(memory_mb)s MB of") % {"memory_mb": f"{memory_mb:,}"} if memory_mb else ""
    if (event.get("Details") or {}).get("oom_killed") == "true":
        return Reason(
            _("%(task)s was ended because it needed more than%(limit)s memory.")
            % {"task": _task(name), "limit": limit},
            str(MORE_MEMORY),
            evidence,
        )
    if number == signal.SIGKILL or code == 128 + signal.SIGKILL:
        had = _(" (it had %(memory_mb)s MB)") % {"memory_mb": f"{memory_mb:,}"} if memory_mb else ""
        return Reason(
            _("%(task)s was killed, most likely because memory ran out%(had)s.") % {"task": _task(name), "had": had},
            str(MORE_MEMORY),
            evidence,
        )
    number = number or (code - 128 if 128 < code < 128 + signal.NSIG else 0)  # as a shell tells it
    if number in CRASHES:
        return Reason(
            _("%(task)s crashed in compiled code (%(name)s).")
            % {"task": _task(name), "name": signal.Signals(number).name},
            str(SEE_THE_LOG),
            evidence,
        )
    if number:
        return Reason(
            _("%(task)s was ended by signal %(signal)s.") % {"task": _task(name), "signal": _signal(number)},
            str(SEE_THE_LOG),
            evidence,
        )
    if code == 0:
        return Reason(
            _("%(task)s ended, although a service should go on (exit code 0).") % {"task": _task(name)},
            str(SEE_THE_LOG),
            evidence,
        )
    if code < 0:  # no program ends so
        why = str((event.get("Details") or {}).get("exit_message", ""))
        return Reason(
            _("%(task)s was lost%(colon)s") % {"task": _task(name), "colon": _colon(why)},
            _("Start it again."),
            evidence,
        )
    if name in DOES:
        return Reason(
            _("%(doing)s failed (exit code %(code)s).") % {"doing": DOES[name], "code": code},
            _("The log of the task “%(name)s” says more.") % {"name": name},
            evidence,
        )
    return Reason(
        _("%(task)s ended with exit code %(code)s.") % {"task": _task(name), "code": code}, str(SEE_THE_LOG), evidence
    )


def _no_download(name: str, event: Event, _memory_mb: int) -> Reason:
    text = _text(event)
    what = re.search(r'artifact "([^"]+)"', text)
    return Reason(
        _("A file that %(task)s needs could not be downloaded%(which)s.")
        % {"task": _task(name, lower=True), "which": f" ({what[1]})" if what else ""},
        _("Check that its address is right and that the datacenter may reach it."),
        {"event": text},
    )


def _killed_for(name: str, event: Event, _memory_mb: int) -> Reason | None:
    """Nomad ends a task whose template it cannot write by killing it."""
    text = _text(event)
    if "emplate failed" not in text:
        return None
    return Reason(
        _("A file of %(task)s could not be written: %(short)s")
        % {"task": _task(name, lower=True), "short": _short(text)},
        "",
        {"event": text},
    )


def _set_up(name: str, event: Event, _memory_mb: int) -> Reason:
    text = _text(event)
    if NO_ROOM.search(text):
        return Reason(str(DISK_FULL), str(MAKE_ROOM), {"event": text})
    return Reason(
        _("%(task)s could not be set up%(colon)s") % {"task": _task(name), "colon": _colon(text)},
        _("Try again, or ask the operator."),
        {"event": text},
    )


def _disk(name: str, _event: Event, _memory_mb: int) -> Reason:
    return Reason(
        _("%(task)s wrote more than its disk space.") % {"task": _task(name)},
        _("Start it again with more disk space."),
        {},
    )


def _sibling(name: str, event: Event, _memory_mb: int) -> Reason:
    other = (event.get("Details") or {}).get("failed_sibling", "another task")
    return Reason(
        _("%(task)s was ended because %(other)s failed.") % {"task": _task(name), "other": other},
        _("The log of the task “%(other)s” says more.") % {"other": other},
        {},
    )


FAILURES: Mapping[str, Callable[[str, Event, int], Reason | None]] = {
    "Driver Failure": _driver_failure,
    "Terminated": _terminated,
    "Failed Artifact Download": _no_download,
    "Killing": _killed_for,
    "Setup Failure": _set_up,
    "Failed Validation": _set_up,
    "Task hook failed": _set_up,
    "Disk Resources Exceeded": _disk,
    "Sibling Task Failed": _sibling,
}


def _after_restarts(sentence: str, state: Mapping[str, Any]) -> str:
    restarts = state.get("Restarts") or 0
    if not restarts:
        return sentence
    text = ngettext(
        "%(sentence)s It was restarted once before.", "%(sentence)s It was restarted %(count)d times before.", restarts
    )
    return text % {"sentence": sentence, "count": restarts}


# ── Waiting ──────────────────────────────────────────────────────────────────────────────────────


def _waits_for_a_secret(name: str, event: Event, _state: Mapping[str, Any]) -> Reason | None:
    text = _text(event)
    if "Missing" not in text:
        return None
    return Reason(
        _("%(task)s waits for a secret that the datacenter does not have.") % {"task": _task(name)},
        _("Stop it and start it again, so that its secrets are sent once more."),
        {"task": name, "event": text},
    )


def _restarts_soon(name: str, event: Event, state: Mapping[str, Any]) -> Reason:
    delay = _number(event, "start_delay", "StartDelay") or 0
    code = exit_code(state)
    ended = _("ended") if code is None else _("ended with exit code %(code)s") % {"code": code}
    return Reason(
        _("%(task)s %(ended)s and starts again in %(seconds)d s.")
        % {"task": _task(name), "ended": ended, "seconds": max(1, round(delay / 1e9))},
        str(SEE_THE_LOG),
        {"task": name, "restarts": state.get("Restarts") or 0, "exit_code": code},
    )


def _pulls(_name: str, event: Event, _state: Mapping[str, Any]) -> Reason | None:
    image = (event.get("Details") or {}).get("image")
    return (
        Reason(_("The node fetches the image %(image)s.") % {"image": image}, "", {"image": image}) if image else None
    )


WAITS: Mapping[str, Callable[[str, Event, Mapping[str, Any]], Reason | None]] = {
    "Template": _waits_for_a_secret,
    "Restarting": _restarts_soon,
    "Driver": _pulls,
}


# ── Words ────────────────────────────────────────────────────────────────────────────────────────


def _task(name: str, *, lower: bool = False) -> str:
    known = _("The program") if name == "main" else _("The task “%(name)s”") % {"name": name}
    return known[0].lower() + known[1:] if lower else known


def _text(event: Event) -> str:
    return str(event.get("DisplayMessage") or event.get("Message") or "").strip()


def _short(text: str) -> str:
    line = " ".join(re.sub(r"rpc error: code = \w+ desc = ", "", text).split()).rstrip(".")
    return f"{line}." if len(line) <= 200 else f"{line[:199]}…"


def _colon(text: str) -> str:
    return f": {_short(text)}" if text else "."


def _signal(number: int) -> str:
    named = number in {member.value for member in signal.Signals}
    return f"{number} ({signal.Signals(number).name})" if named else str(number)


def _number(event: Event, detail: str, member: str) -> int:
    """A number of an event: as text in its details, or as a member of its own."""
    value = (event.get("Details") or {}).get(detail) or event.get(member) or 0
    return int(value)


def _last(state: Mapping[str, Any]) -> Event | None:
    events: Sequence[Event] = state.get("Events") or ()
    return events[-1] if events else None


def _newest(state: Mapping[str, Any], kind: str) -> Event | None:
    return next((event for event in reversed(state.get("Events") or ()) if event.get("Type") == kind), None)
