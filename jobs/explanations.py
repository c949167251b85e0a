"""What a failed job's own log adds to the datacenter's "ended with exit code 1"."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datacenters.interface import JobState, JobStatus, Reason, TaskState

from . import archive
from .compilers.files.run_module import BEGIN, END
from .models import Deployment

LINES = 40
TASK_OF_STAGE = {"packages": "packages", "storage": "storages", "datasets": "datasets"}
REFUSED = "BadInput"  # by which modules of our template say what is wrong with an argument
# The last line of a traceback, with or without the prefix of a logger.
_NAME = rf"(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*(?:Error|Exception|Interrupt|Exit|NotFound)|{REFUSED})"
_ERROR = re.compile(rf"(?:^|\s)({_NAME})\b: ?(.*)$|^({_NAME})$")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LAST_WORDS = 200  # letters; more is no last word but a heap
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
    """How far the stage of its start has come, in the words of the task that works on it."""
    task = TASK_OF_STAGE.get(deployment.stage)
    if task is None:
        return ""
    lines = archive.read(deployment, task, "stdout", tail=LINES).decode(errors="replace").splitlines()
    found = [line.removeprefix("progress: ") for line in lines if line.startswith("progress: ")]
    return found[-1][:200] if found else ""


def _first_failed(state: JobState) -> TaskState | None:
    failed = [task for task in state.tasks if task.failed]
    return min(failed, key=lambda task: (task.finished is None, task.finished), default=None)


def _lines(deployment: Deployment, task: str, stream: str) -> list[str]:
    text = archive.read(deployment, task, stream, tail=LINES).decode(errors="replace")
    return [_COLOURS.sub("", line).rstrip() for line in text.splitlines() if line.strip()]


def _why_packages(lines: list[str], reason: Reason) -> Reason:
    begin = next((index for index in reversed(range(len(lines))) if _FAILED.match(lines[index])), None)
    if begin is None:
        return reason
    said = " ".join(_FAILED.sub("", line).strip() for line in lines[begin:])
    text = _("The module's packages could not be installed: %(why)s")
    if known := _known(said):
        return Reason(text % {"why": known.why}, known.advice, reason.evidence)
    advice = _("The log of the task “packages” has the whole story. The module's author can mend it.")
    return Reason(text % {"why": _short(said.rstrip(".")) + "."}, advice, reason.evidence)


def _why_storage(lines: list[str], reason: Reason) -> Reason:
    known = _known(lines[-1])
    text = _("The module's storage folder could not be made: %(why)s")
    advice = known.advice if known else _("Tell the operator of the datacenter.")
    return Reason(text % {"why": known.why if known else _short(lines[-1])}, advice, reason.evidence)


def _why_program(lines: list[str], reason: Reason) -> Reason:
    if not 0 < int(reason.evidence.get("exit_code") or 0) < 128:
        return reason  # it was ended; what it wrote before is not why
    errors = [found for line in lines if (found := _ERROR.search(line))]
    if not errors:
        return _with_last_words(lines[-1], reason)
    name, text, alone = errors[-1].groups()
    kind = (name or alone).rpartition(".")[2]
    said = _short((text if kind == REFUSED and text else f"{kind}: {text or ''}").rstrip(": ."))
    if known := _known(said):
        return replace(reason, sentence=f"{reason.sentence.rstrip('.')}: {known.why}", advice=known.advice)
    return replace(reason, sentence=f"{reason.sentence.rstrip('.')}: {said}.")


def _with_last_words(line: str, reason: Reason) -> Reason:
    if len(line) > LAST_WORDS or not line.isprintable():
        return reason
    said = _("It said last: “%(line)s”.") % {"line": line.strip().rstrip(".")}
    return replace(reason, sentence=f"{reason.sentence} {said}")


def _short(text: str) -> str:
    return text if len(text) <= 400 else f"{text[:399]}…"


# ── Causes that are not the module's own ─────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Cause:
    pattern: re.Pattern[str]
    text: str | Promise
    help: str | Promise

    @property
    def why(self) -> str:
        return str(self.text)

    @property
    def advice(self) -> str:
        return str(self.help)


CAUSES = (
    Cause(
        re.compile(r"No space left on device|os error 28\b|Disk quota exceeded"),
        gettext_lazy("the disk of the machine is full."),
        gettext_lazy("Tell the operator of the datacenter, and start it again once there is room."),
    ),
    Cause(
        re.compile(r"^MemoryError|CUDA out of memory|OutOfMemoryError"),
        gettext_lazy("it ran out of memory."),
        gettext_lazy("Start it again with more memory."),
    ),
    Cause(
        re.compile(r"address already in use", re.IGNORECASE),
        gettext_lazy("another program of the machine took its port just before."),
        gettext_lazy("Start it again: it gets another port."),
    ),
    Cause(
        re.compile(r"dns error|error sending request|[Ff]ailed to fetch|Network is unreachable|name resolution"),
        gettext_lazy("the machine cannot reach the place where packages are fetched from."),
        gettext_lazy("Try again later. If it stays so, tell the operator of the datacenter."),
    ),
)


def _known(said: str) -> Cause | None:
    return next((cause for cause in CAUSES if cause.pattern.search(said)), None)


def _as_it_said(lines: list[str], reason: Reason) -> Reason:
    """A task of ours that attaches or fetches writes a sentence for people."""
    said = next((line for line in reversed(lines) if _FAILED.match(line)), "")
    if not said:
        return reason
    known = _known(said)
    advice = known.advice if known else _("Correct it in a clone, or start it again once it works.")
    return Reason(_FAILED.sub("", said), advice, reason.evidence)


BY_TASK: Mapping[str, Callable[[list[str], Reason], Reason]] = {
    "packages": _why_packages,
    "storage": _why_storage,
    **dict.fromkeys(("storages", "storage-wait", "storages-end", "datasets"), _as_it_said),
}
