"""What trainings could not say while MLflow was away: sent by Serai, where it sees the storage itself.

A training keeps a journal on its storage (``module_template``, ``tracking.py``), which the next training or service
sends. In the local datacenter nobody has to wait for one: the storage lies on Serai's own machine. Tasks write there
what they like, and Serai may be root, so nothing is followed, only small plain files are read, and what they say goes
by the project's own account to the project's own experiment, where its tasks could have put it themselves.
"""

import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from jobs.models import TrackingAccount
from jobs.tracking.accounts import NO_ENTRY, login_of
from jobs.tracking.client import Login, TrackingRefused, TrackingUnavailable, call

logger = logging.getLogger(__name__)

LARGEST_BYTES = 50_000_000
AT_ONCE = 20  # journals of a module in one turn
QUIET_SECONDS = 10  # a journal this young may just be on its way to be locked by its training
BATCH = 500  # metrics in one request; MLflow takes up to 1,000
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Entry = dict[str, Any]


class Unreadable(Exception):
    """No journal that one of ours wrote."""


@dataclass
class Journal:
    """One training's, open and locked."""

    file: int
    entries: list[Entry] = field(default_factory=list)
    run_id: str = ""
    sent: int = 0

    def note(self, **words: Any) -> None:
        os.write(self.file, json.dumps(words).encode() + b"\n")


def send_journals() -> None:
    """Send what is left in the local datacenter's storage. While MLflow is away the next turn tries again."""
    root = Path(settings.SERAI_TASKS_DIR) / "storage" if settings.SERAI_TASKS_DIR else None
    if root is None or not settings.MLFLOW_URL:
        return
    for account in TrackingAccount.objects.exclude(experiment_id="").select_related("project"):
        with suppress(OSError), _folder(root / account.project.slug) as project:
            try:
                _send_projects(project, account)
            except TrackingUnavailable:
                return


def _send_projects(project: int, account: TrackingAccount) -> None:
    for module in sorted(os.listdir(project)):
        # No folder, a link, one that a training did not make, or gone meanwhile: nothing to send there.
        with suppress(OSError), _folder(module, project) as inside, _folder("tracking", inside) as folder:
            for name in sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))[:AT_ONCE]:
                _send_left_over(name, folder, account)


def _send_left_over(name: str, folder: int, account: TrackingAccount) -> None:
    with _locked(name, folder) as journal:
        if journal is None:
            return
        try:
            _read(journal)
            _deliver(journal, login_of(account), account.experiment_id)
        except (TrackingRefused, Unreadable) as refusal:
            if isinstance(refusal, TrackingRefused) and refusal.code in NO_ENTRY:
                return  # not its fault: the account is mended with the next training
            logger.warning("A journal of %s is not sent (%s): %s", account.project, name, refusal)
            os.rename(name, f"{name.removesuffix('.jsonl')}.refused", src_dir_fd=folder, dst_dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


# ── Files that anybody may have put there ────────────────────────────────────────────────────────
@contextmanager
def _folder(name: Path | str, within: int | None = None) -> Iterator[int]:
    opened = os.open(name, FOLDER, dir_fd=within)
    try:
        yield opened
    finally:
        os.close(opened)


@contextmanager
def _locked(name: str, folder: int) -> Iterator[Journal | None]:
    """None for what is no left-over: its training has it still, or it is no plain file of a task's."""
    opened = os.open(name, FILE, dir_fd=folder)
    try:
        yield Journal(opened) if _is_left_over(opened) else None
    finally:
        os.close(opened)


def _is_left_over(opened: int) -> bool:
    about = os.fstat(opened)
    # A second name could be that of a file which no task may write.
    if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1 or about.st_size > LARGEST_BYTES:
        return False
    if time.time() - about.st_mtime < QUIET_SECONDS:
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(journal: Journal) -> None:
    with open(journal.file, "rb", closefd=False) as file:
        lines = file.read(LARGEST_BYTES).split(b"\n")
    for line in lines[:-1]:  # the last line of a full disk may be cut
        try:
            words = json.loads(line)
        except (ValueError, RecursionError):
            raise Unreadable("a line is no JSON") from None
        _take(journal, words)


def _take(journal: Journal, words: Any) -> None:
    if not isinstance(words, dict):
        raise Unreadable("a line is no object")
    if isinstance(words.get("run_id"), str):
        journal.run_id = words["run_id"]
    elif isinstance(words.get("sent"), int):
        journal.sent = words["sent"]
    else:
        journal.entries.append(words)


# ── To MLflow ────────────────────────────────────────────────────────────────────────────────────
def _deliver(journal: Journal, who: Login, experiment_id: str) -> None:
    if not journal.entries:
        return
    begin, *rest = journal.entries
    try:
        if not journal.run_id:
            journal.run_id = _create(begin, who, experiment_id)
            journal.note(run_id=journal.run_id)
        new = rest[max(journal.sent - 1, 0) :]
        _log_metrics(journal.run_id, new, who)
        end = next((entry for entry in reversed(rest) if "end" in entry), None)
        last = end or {"end": "KILLED", "time": journal.entries[-1]["time"]}
        _call(who, "runs/update", run_id=journal.run_id, status=str(last["end"]), end_time=int(last["time"]))
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise Unreadable(f"{type(wrong).__name__}: {wrong}") from wrong


def _create(begin: Entry, who: Login, experiment_id: str) -> str:
    made = _call(
        who,
        "runs/create",
        experiment_id=experiment_id,
        run_name=str(begin["name"]),
        start_time=int(begin["time"]),
        tags=_pairs(begin["tags"]),
    )
    run_id: str = made["run"]["info"]["run_id"]
    _call(who, "runs/log-batch", run_id=run_id, params=_pairs(begin["parameters"]))
    if begin.get("data"):
        _call(who, "runs/log-inputs", run_id=run_id, datasets=[_input(one) for one in begin["data"]])
    return run_id


def _log_metrics(run_id: str, entries: list[Entry], who: Login) -> None:
    metrics = [
        {"key": str(key), "value": float(value), "timestamp": int(entry["time"]), "step": int(entry["step"])}
        for entry in entries
        for key, value in entry.get("metrics", {}).items()
    ]
    for start in range(0, len(metrics), BATCH):
        _call(who, "runs/log-batch", run_id=run_id, metrics=metrics[start : start + BATCH])


def _pairs(values: dict[str, Any]) -> list[dict[str, str]]:
    return [{"key": str(key), "value": str(value)} for key, value in values.items()]


def _input(one: Entry) -> dict[str, Any]:
    source = str(one["source"])
    kind, words = ("http", {"url": source}) if "://" in source else ("code", {"tags": {"mlflow.source.name": source}})
    dataset = {"name": str(one["name"]), "digest": str(one["digest"]), "source_type": kind, "source": json.dumps(words)}
    return {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "training"}]}


def _call(who: Login, what: str, **values: Any) -> dict[str, Any]:
    return call(who, "POST", f"2.0/mlflow/{what}", **values)
