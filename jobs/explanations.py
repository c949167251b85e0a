"""What a failed job's own log adds to the datacenter's "ended with exit code 1"."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from datacenters.interface import JobState, JobStatus, Reason, TaskState

from . import archive
from .compilers.files.run_module import BEGIN, END
from .models import Deployment

LINES = 40
# The last line of a traceback, with or without the prefix of a logger.
_ERROR = re.compile(r"(?:^|\s)((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|NotFound))\b: ?(.*)$")
_FAILED = re.compile(r"^failed: ")


def explained(deployment: Deployment, state: JobState) -> JobState:
    """The same state; of a failed one with the reason that its log gives."""
    failed = _first_failed(state)
    if state.status is not JobStatus.FAILED or failed is None:
        return state
    lines = _lines(deployment, failed.name, "stderr") or _lines(deployment, failed.name, "stdout")
    if not lines:
        return state
    explain = BY_TASK.get(failed.name, _why_program)
    reason = explain(lines, state.reason or Reason(_("It failed.")))
    evidence = {**reason.evidence, "task": failed.name, "lines": lines[-12:]}
    return replace(state, reason=replace(reason, evidence=evidence))


def result(deployment: Deployment) -> Any:
    """What a training gave back, as it wrote it at its end; None if it wrote nothing."""
    text = archive.read(deployment, "main", "stdout").decode(errors="replace")
    _before, begun, rest = text.rpartition(BEGIN)
    content, ended, _after = rest.partition(END)
    if not (begun and ended):
        return None
    try:
        return json.loads(content)
    except ValueError:
        return {"text": content.strip()}


def progress(deployment: Deployment) -> str:
    """How far the installation of packages has come, in its own words."""
    lines = archive.read(deployment, "packages", "stdout", tail=LINES).decode(errors="replace").splitlines()
    found = [line.removeprefix("progress: ") for line in lines if line.startswith("progress: ")]
    return found[-1][:200] if found else ""


def _first_failed(state: JobState) -> TaskState | None:
    failed = [task for task in state.tasks if task.failed]
    return min(failed, key=lambda task: (task.finished is None, task.finished), default=None)


def _lines(deployment: Deployment, task: str, stream: str) -> list[str]:
    text = archive.read(deployment, task, stream, tail=LINES).decode(errors="replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _why_packages(lines: list[str], reason: Reason) -> Reason:
    begin = next((index for index in reversed(range(len(lines))) if _FAILED.match(lines[index])), None)
    if begin is None:
        return reason
    said = [_FAILED.sub("", line).strip() for line in lines[begin:]]
    text = _("The module's packages could not be installed: %(why)s")
    advice = _("The log of the task “packages” has the whole story. The module's author can mend it.")
    return Reason(text % {"why": _short(" ".join(said))}, advice, reason.evidence)


def _why_storage(lines: list[str], reason: Reason) -> Reason:
    text = _("The module's storage folder could not be made: %(why)s")
    return Reason(text % {"why": _short(lines[-1])}, _("Tell the operator of the datacenter."), reason.evidence)


def _why_program(lines: list[str], reason: Reason) -> Reason:
    errors = [found for line in lines if (found := _ERROR.search(line))]
    if not errors:
        return reason
    name, text = errors[-1].groups()
    said = _short(f"{name.rpartition('.')[2]}: {text}".rstrip(": "))
    return replace(reason, sentence=f"{reason.sentence.rstrip('.')}: {said}")


def _short(text: str) -> str:
    return text if len(text) <= 400 else f"{text[:399]}…"


BY_TASK: Mapping[str, Callable[[list[str], Reason], Reason]] = {"packages": _why_packages, "storage": _why_storage}
