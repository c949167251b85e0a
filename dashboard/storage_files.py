"""What pages and REST do with files of a storage alike: who may, what is written down, what is answered."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO
from urllib.parse import quote

from django.core.exceptions import PermissionDenied
from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, User
from datacenters import storage as rclone
from datacenters.storage import AlreadyThere, Entry, Listing, NotThere, Remote
from jobs import homes, storages
from jobs.models import Storage

LONG_AGO = datetime.min.replace(tzinfo=UTC)
SORTS = {
    "name": lambda entry: entry.name.casefold(),
    "size": lambda entry: (entry.size_bytes or 0, entry.name.casefold()),
    "time": lambda entry: (entry.modified or LONG_AGO, entry.name.casefold()),
}


def listing(storage: Storage, path: str) -> Listing:
    return rclone.listing(storages.remote_of(storage), path)


def in_order(entries: Sequence[Entry], sort: str, *, descending: bool) -> list[Entry]:
    """Folders first, in whatever order."""
    ordered = sorted(entries, key=SORTS.get(sort, SORTS["name"]), reverse=descending)
    return sorted(ordered, key=lambda entry: not entry.is_folder)


def entry_at(storage: Storage, path: str) -> Entry:
    return rclone.stat(storages.remote_of(storage), path)


def file_at(storage: Storage, path: str) -> Entry:
    """Raises NotThere for folders, too."""
    entry = entry_at(storage, path)
    if entry.is_folder:
        raise NotThere(_("This is a folder."))
    return entry


def upload(storage: Storage, person: User, path: str, source: IO[bytes], size_bytes: int, *, replace: bool) -> bool:
    """Put a file there; whether it is new. Raises AlreadyThere where ``replace`` does not allow it, and
    HomeFull."""
    must_write(storage, person)
    remote = storages.remote_of(storage)
    there = _found(remote, path)
    if there and there.is_folder and there.path:
        raise AlreadyThere(_("“%(name)s” is a folder.") % {"name": there.name})
    if there and there.path and not replace:
        said = _("“%(name)s” is there already. Tick “replace”, or give it another name.")
        raise AlreadyThere(said % {"name": there.name})
    homes.must_have_room(storage, size_bytes, instead_of=(there.size_bytes or 0) if there else 0)
    rclone.write(remote, path, source, size_bytes)
    AuditEvent.record(person, "storage.written", storage, path=path)
    return there is None


def _found(remote: Remote, path: str) -> Entry | None:
    try:
        return rclone.stat(remote, path)
    except NotThere:
        return None


def make_folder(storage: Storage, person: User, path: str) -> None:
    must_write(storage, person)
    remote = storages.remote_of(storage)
    if rclone.exists(remote, path):
        raise AlreadyThere(_("Something with this name is there already. Choose another name."))
    rclone.mkdir(remote, path)
    AuditEvent.record(person, "storage.written", storage, path=path)


def delete(storage: Storage, person: User, path: str) -> None:
    must_write(storage, person)
    rclone.delete(storages.remote_of(storage), path)
    AuditEvent.record(person, "storage.deleted", storage, path=path)


def move(storage: Storage, person: User, path: str, to: str) -> None:
    must_write(storage, person)
    rclone.move(storages.remote_of(storage), path, to)
    AuditEvent.record(person, "storage.moved", storage, path=path, to=to)


def must_write(storage: Storage, person: User) -> None:
    if why_not := storages.why_not_change(storage.project, person):
        raise PermissionDenied(why_not)


def download(storage: Storage, entry: Entry, *, content_type: str = "", inline: bool = False) -> StreamingHttpResponse:
    """The file as it comes, in a form that runs in no browser: a download, or a picture of a type that we name."""
    remote = storages.remote_of(storage)
    answer = StreamingHttpResponse(
        rclone.stream(remote, entry.path), content_type=content_type or "application/octet-stream"
    )
    how = "inline" if inline else "attachment"
    answer["Content-Disposition"] = f"{how}; filename*=UTF-8''{quote(entry.name, safe='')}"
    answer["X-Content-Type-Options"], answer["Cache-Control"] = "nosniff", "private, no-store"
    if entry.size_bytes is not None:
        answer["Content-Length"] = str(entry.size_bytes)
    if content_type != "application/pdf":  # whose viewer no sandbox lets in; a PDF runs nothing of ours
        answer["Content-Security-Policy"] = "sandbox"
    return answer
