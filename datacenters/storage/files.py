"""What can be done with files of a storage: one function a call of rclone. Each raises StorageProblem."""

import asyncio
import json
import subprocess
from collections.abc import AsyncGenerator
from configparser import ConfigParser
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO, UnsupportedOperation
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from django.utils.translation import gettext as _

from .failures import BadPath, already_there, not_there
from .program import rclone_path, run, surroundings
from .remote import NAME, Remote, clean_path

MOST_ENTRIES = 5_000
BYTES_OF_AN_ENTRY = 600
CHUNK = 256 * 1024
KEEPER = ".keep"
CHECK_SECONDS, TRANSFER_SECONDS = 25, 3_600
ONE_TRY = ("--retries", "1", "--low-level-retries", "1", "--contimeout", "8s", "--timeout", "15s")


@dataclass(frozen=True)
class Entry:
    path: str  # from the storage's root
    is_folder: bool
    size_bytes: int | None
    modified: datetime | None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Listing:
    entries: tuple[Entry, ...]
    complete: bool = True


def check(remote: Remote) -> None:
    """Does it answer, and let us look? One try."""
    arguments = ["lsjson", "--no-modtime", "--no-mimetype", *ONE_TRY, remote.at()]
    run(arguments, remote, seconds=CHECK_SECONDS, most_bytes=BYTES_OF_AN_ENTRY)


def meet(remote: Remote) -> Remote:
    """Check it for the first time. An SFTP server is remembered by the key that it shows now; another is refused."""
    if remote.kind != "sftp" or "host_keys" in remote.options:
        check(remote)
        return remote
    with TemporaryDirectory(prefix="serai-sftp-") as folder:
        file = Path(folder, "rclone.conf")  # rclone writes the key there, and nothing else
        trusting = {"RCLONE_CONFIG": str(file), f"RCLONE_CONFIG_{NAME}_PIN_HOST_KEY": "true"}
        run(["lsjson", "--stat", *ONE_TRY, remote.at()], remote, seconds=CHECK_SECONDS, more=trusting)
        written = ConfigParser(interpolation=None)
        written.read(file)
    met = replace(remote, options={**remote.options, "host_keys": written[NAME]["host_keys"]})
    check(met)
    return met


def listing(remote: Remote, path: str = "") -> Listing:
    """What lies in a folder, of very many the first."""
    folder = clean_path(path)
    if not stat(remote, folder).is_folder:  # of which rclone would list the file itself
        raise not_there()
    most = MOST_ENTRIES * BYTES_OF_AN_ENTRY
    output = run(["lsjson", "--no-mimetype", remote.at(folder)], remote, most_bytes=most)
    lines = output.data.split(b"\n")[: None if output.complete else -1]
    found = [_below(folder, json.loads(line.rstrip(b","))) for line in lines if line.startswith(b"{")]
    return Listing(tuple(found[:MOST_ENTRIES]), output.complete and len(found) <= MOST_ENTRIES)


def stat(remote: Remote, path: str) -> Entry:
    """What is there. Raises NotThere."""
    inside = clean_path(path)
    if not inside:
        return Entry("", is_folder=True, size_bytes=None, modified=None)
    found = json.loads(run(["lsjson", "--stat", "--no-mimetype", remote.at(inside)], remote).data or b"null")
    entry = _entry(inside, found) if found else None
    if entry is None or (entry.is_folder and remote.kind == "s3" and not _holds_something(remote, inside)):
        raise not_there()
    return entry


def _holds_something(remote: Remote, path: str) -> bool:
    """To S3 every path is a folder; that there is one only what lies in it shows."""
    return b"{" in run(["lsjson", "--no-mimetype", remote.at(path)], remote, most_bytes=BYTES_OF_AN_ENTRY).data


def read(remote: Remote, path: str, *, most_bytes: int) -> bytes:
    """The beginning of what ``stat`` says is a file: of a folder it would be all its files, one after the other."""
    return run(["cat", "--count", str(most_bytes), remote.at(path)], remote).data


class stream:  # noqa: N801 it is called as its neighbours are
    """A file (``stat`` it before), as it comes; breaks off with an error where rclone does. Holds no thread.

    ``close`` ends it early: nobody closes an answer's generator when a reader leaves, and rclone would wait for ever.
    """

    def __init__(self, remote: Remote, path: str) -> None:
        self._remote, self._place = remote, remote.at(path)
        self._process: asyncio.subprocess.Process | None = None

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        self._process = process = await asyncio.create_subprocess_exec(
            rclone_path(),
            "cat",
            self._place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=await asyncio.to_thread(surroundings, {NAME: self._remote}),
            cwd="/",
        )
        try:
            while piece := await process.stdout.read(CHUNK):  # type: ignore[union-attr]
                yield piece
            if await process.wait():
                raise OSError("The storage broke off.")
        finally:
            self.close()

    def close(self) -> None:
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()


def write(remote: Remote, path: str, source: IO[bytes], size_bytes: int) -> None:
    """Put a file there in place of what has this name. ``source`` is read from where it stands."""
    inside = _something(path)
    with _with_descriptor(source) as file:
        arguments = ["rcat", "--size", str(size_bytes), remote.at(inside)]
        run(arguments, remote, stdin=file, seconds=TRANSFER_SECONDS)


def mkdir(remote: Remote, path: str) -> None:
    """A new folder; that it is there already is fine."""
    inside = _something(path)
    if remote.kind == "s3":  # which has no folders but of the files in them
        write(remote, f"{inside}/{KEEPER}", BytesIO(), 0)
    else:
        run(["mkdir", remote.at(inside)], remote)


def delete(remote: Remote, path: str) -> None:
    """A file, or a folder with all that is in it."""
    entry = stat(remote, _something(path))
    command = "purge" if entry.is_folder else "deletefile"
    run([command, remote.at(entry.path)], remote, seconds=TRANSFER_SECONDS)


def move(remote: Remote, path: str, to: str) -> None:
    """Rename a file or folder, also into another folder. Raises AlreadyThere."""
    source, target = _something(path), _something(to)
    if source == target:
        return
    if f"{target}/".startswith(f"{source}/"):
        raise BadPath(_("A folder cannot be moved into itself."))
    must_be_free(remote, target)
    run(["moveto", remote.at(source), remote.at(target)], remote, seconds=TRANSFER_SECONDS)


def copy(remote: Remote, path: str, to: Remote, target: str) -> None:
    """A file, or all that a folder holds, also to another storage. What is there already under a name is replaced."""
    remotes = {"SOURCE": remote, "TARGET": to}
    arguments = ["copyto", remote.at(path, name="SOURCE"), to.at(target, name="TARGET")]
    run(arguments, remotes, seconds=TRANSFER_SECONDS)


def must_be_free(remote: Remote, path: str) -> None:
    """Raises AlreadyThere."""
    if exists(remote, path):
        raise already_there()


def exists(remote: Remote, path: str) -> bool:
    try:
        stat(remote, path)
    except type(not_there()):
        return False
    return True


def _something(path: str) -> str:
    """A path below the root: that itself is never written, moved or deleted."""
    inside = clean_path(path)
    if not inside:
        raise BadPath(_("This is the storage itself. Name a file or folder in it."))
    return inside


def _with_descriptor(source: IO[bytes]) -> IO[bytes]:
    """A file that another process can read."""
    try:
        source.fileno()
    except (UnsupportedOperation, AttributeError):
        copied = TemporaryFile()  # noqa: SIM115 closed by who asked
        while piece := source.read(CHUNK):
            copied.write(piece)
        copied.seek(0)
        return copied
    return source


def _below(folder: str, found: dict[str, Any]) -> Entry:
    return _entry(f"{folder}/{found['Name']}" if folder else found["Name"], found)


def _entry(path: str, found: dict[str, Any]) -> Entry:
    is_folder = bool(found["IsDir"])
    size_bytes = None if is_folder or found["Size"] < 0 else int(found["Size"])
    return Entry(path, is_folder, size_bytes, _moment(found.get("ModTime", "")))


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
