"""Logs kept by us: a file for each task and stream, which outlives the job.

One keeper copies what is new (the watcher while a job lives, whoever sees its end once more); viewers read the
file as it grows, so that a thousand of them make no call to a datacenter. Offsets are the datacenter's own
and shrink when it drops old pieces, so each copy is joined by the last bytes that are here already.
"""

import asyncio
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from datacenters.interface import Adapter, JobState

from .models import FINAL, Deployment

STREAMS = ("stdout", "stderr")
# A stream is kept in two pieces of this size, so that the newest half at least is there.
PIECE_BYTES = 16 * 1024 * 1024
OVERLAP = 512
BLOCK = 64 * 1024
FOLLOW_SECONDS = 0.3
_TASK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")


def folder(deployment_id: UUID) -> Path:
    return Path(settings.SERAI_DATA) / "logs" / str(deployment_id)


def is_named(task: str, stream: str) -> bool:
    """Whether a log can have this name; names come from URLs, and go into files' names and headers."""
    return stream in STREAMS and _TASK.fullmatch(task) is not None


def path(deployment: Deployment, task: str, stream: str) -> Path:
    """Where this stream's newest piece is, or would be."""
    if not is_named(task, stream):
        raise ValueError(f"There is no log {task!r} {stream!r}.")
    return folder(deployment.pk) / f"{task}.{stream}"


def tasks(deployment: Deployment) -> list[str]:
    """The tasks that wrote something, the main one first."""
    try:
        names = {file.name.partition(".")[0] for file in folder(deployment.pk).iterdir() if _is_log(file)}
    except FileNotFoundError:
        return []
    return sorted(names, key=lambda name: (name != "main", name))


def read(deployment: Deployment, task: str, stream: str, tail: int | None = None) -> bytes:
    """All that is kept, or its last lines; b"" if there is nothing (yet)."""
    try:
        newest = path(deployment, task, stream)
    except ValueError:
        return b""
    return _last_lines(_content(_older(newest)) + _content(newest), tail)


def size(deployment: Deployment, task: str, stream: str) -> int:
    """How many bytes of this stream are kept."""
    path(deployment, task, stream)  # which looks at the names
    return size_of(deployment.pk, task, stream)


def size_of(deployment_id: UUID, task: str, stream: str) -> int:
    newest = folder(deployment_id) / f"{task}.{stream}"
    return sum(_inode_and_size(piece)[1] for piece in (_older(newest), newest))


async def follow(
    deployment: Deployment, task: str, stream: str, tail: int | None = None
) -> AsyncGenerator[bytes, None]:
    """The same, going on until the deployment has ended; reads only our file."""
    try:
        newest = path(deployment, task, stream)
    except ValueError:
        return
    reader = _Reader(newest)
    yield await asyncio.to_thread(reader.before, tail)
    while True:
        ended = await sync_to_async(_has_ended)(deployment.pk)
        watch(deployment.pk)
        while chunk := reader.more():
            yield chunk
        if ended:
            return
        for _turn in range(3):
            await asyncio.sleep(FOLLOW_SECONDS)
            while chunk := reader.more():
                yield chunk


class _Reader:
    """Reads on from the end of what was there, through a change of pieces."""

    def __init__(self, newest: Path) -> None:
        self._path = newest
        self._inode, self._offset = _inode_and_size(newest)

    def before(self, tail: int | None) -> bytes:
        """What was there when this began to read, or its last lines."""
        return _last_lines(_content(_older(self._path)) + _content(self._path)[: self._offset], tail)

    def more(self) -> bytes:
        inode, _size = _inode_and_size(self._path)
        if inode == self._inode:
            return self._read(self._path)
        # The piece became the older one: its end first, then the new one from its start.
        rest = self._read(_older(self._path)) if self._inode else b""
        if not rest:
            self._inode, self._offset = inode, 0
            rest = self._read(self._path)
        return rest

    def _read(self, piece: Path) -> bytes:
        try:
            with open(piece, "rb") as file:
                file.seek(self._offset)
                chunk = file.read(BLOCK)
        except FileNotFoundError:
            return b""
        self._offset += len(chunk)
        return chunk


# ── Watched by somebody ──────────────────────────────────────────────────────────────────────────
def watch(deployment_id: UUID) -> None:
    """Say that somebody looks at these logs now, so that the keeper hurries."""
    marker = folder(deployment_id) / ".watched"
    try:
        marker.touch()
    except FileNotFoundError:
        return  # nothing has been written yet; the keeper hurries then anyway


def is_watched(deployment_id: UUID) -> bool:
    try:
        return time.time() - (folder(deployment_id) / ".watched").stat().st_mtime < 5
    except FileNotFoundError:
        return False


# ── Kept ─────────────────────────────────────────────────────────────────────────────────────────
def keep(adapter: Adapter, deployment_id: UUID, state: JobState, names: set[str] | None = None) -> int:
    """Copy what the tasks of this state wrote since the last time; how many bytes that was."""
    if state.allocation_id is None:
        return 0
    started = [task.name for task in state.tasks if task.state != "pending" and _TASK.fullmatch(task.name)]
    chosen = [name for name in started if names is None or name in names]
    if not chosen:
        return 0
    with _keeping(deployment_id) as offsets:
        return sum(_copy(adapter, deployment_id, state, task, stream, offsets) for task in chosen for stream in STREAMS)


def forget(deployment_id: UUID) -> None:
    shutil.rmtree(folder(deployment_id), ignore_errors=True)


@contextmanager
def _keeping(deployment_id: UUID) -> Iterator[dict[str, Any]]:
    """The offsets read so far, for one keeper at a time."""
    home = folder(deployment_id)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(home / ".offsets", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        offsets = json.loads(text) if text else {}
        try:
            yield offsets
        finally:
            if json.dumps(offsets) != text:
                file.truncate(0)
                file.write(json.dumps(offsets))


def _copy(
    adapter: Adapter, deployment_id: UUID, state: JobState, task: str, stream: str, offsets: dict[str, Any]
) -> int:
    assert state.allocation_id is not None
    name = f"{task}.{stream}"
    target = folder(deployment_id) / name
    allocation, offset = offsets.get(name, ("", 0))
    if allocation != state.allocation_id:
        _begin_another_life(target)
        allocation, offset = state.allocation_id, 0
    known = _tail(target, min(OVERLAP, offset))
    raw = adapter.log(allocation, state.namespace, task, stream, max(0, offset - len(known)))
    if raw.startswith(known):
        news, offset = raw[len(known) :], offset - len(known) + len(raw)
    else:  # the datacenter dropped its oldest piece: offsets count from another byte now
        whole = adapter.log(allocation, state.namespace, task, stream, 0)
        news, offset = _after(whole, known), len(whole)
    _append(target, news)
    offsets[name] = (allocation, offset)
    return len(news)


def _after(whole: bytes, known: bytes) -> bytes:
    at = whole.rfind(known)
    if at < 0:
        return ("\n" + _("[Serai did not see what was written here.]") + "\n").encode() + whole
    return whole[at + len(known) :]


def _begin_another_life(target: Path) -> None:
    if target.exists() and target.stat().st_size:
        line = _("started again, %(when)s UTC") % {"when": f"{timezone.now():%Y-%m-%d %H:%M:%S}"}
        _append(target, f"\n──── {line} ────\n".encode())


def _append(target: Path, data: bytes) -> None:
    if not data:
        return
    if target.exists() and target.stat().st_size + len(data) > PIECE_BYTES:
        os.replace(target, _older(target))
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(data[-PIECE_BYTES:])


def _tail(target: Path, size: int) -> bytes:
    """Its last bytes, also when they lie in the older piece."""
    newest = _end(target, size)
    return newest if len(newest) == size else _end(_older(target), size - len(newest)) + newest


def _end(piece: Path, size: int) -> bytes:
    try:
        with open(piece, "rb") as file:
            file.seek(-min(size, piece.stat().st_size), os.SEEK_END)
            return file.read()
    except FileNotFoundError:
        return b""


# ── Files ────────────────────────────────────────────────────────────────────────────────────────
def _older(newest: Path) -> Path:
    return newest.with_name(newest.name + ".1")


def _is_log(file: Path) -> bool:
    return file.name.rpartition(".")[2] in STREAMS and file.stat().st_size > 0


def _content(piece: Path) -> bytes:
    try:
        return piece.read_bytes()
    except FileNotFoundError:
        return b""


def _inode_and_size(piece: Path) -> tuple[int, int]:
    try:
        found = piece.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_size


def _last_lines(content: bytes, count: int | None) -> bytes:
    if count is None:
        return content
    lines = content.splitlines(keepends=True)
    return b"".join(lines[-count:]) if count else b""


def _has_ended(deployment_id: UUID) -> bool:
    status = Deployment.objects.filter(pk=deployment_id, deleted=None).values_list("status", flat=True).first()
    return status is None or status in FINAL
