"""What goes in and out of the routes of storages and their files."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from ninja import Schema
from pydantic import Field

from accounts.models import User
from dashboard.api.schemas import ListOut, Strict
from dashboard.storage_forms import FORMS
from datacenters.storage import Entry
from jobs import storages
from jobs.models import Storage

Options = Annotated[
    dict[str, Any],
    Field(
        description="webdav: url, vendor (nextcloud, owncloud, other), user, password or token, folder. "
        "s3: endpoint, region, bucket, access_key, secret_key. "
        "sftp: host, port, user, password or key (with key_password), folder."
    ),
]


# ── In ───────────────────────────────────────────────────────────────────────────────────────────
class StorageIn(Strict):
    kind: Literal["webdav", "s3", "sftp"]
    name: str
    project: str
    options: Options = Field(default_factory=dict)


class StorageChangeIn(Strict):
    """What is missing stays as it is; where the address changes, the secret must come along."""

    name: str | None = None
    options: Options = Field(default_factory=dict)


class FolderIn(Strict):
    path: str


class MoveIn(Strict):
    path: str
    to: str


# ── Out ──────────────────────────────────────────────────────────────────────────────────────────
class StorageOut(Schema):
    id: UUID
    name: str
    kind: str
    project: str
    options: Annotated[dict[str, str], Field(description="Its address. Secrets are never told again.")]
    created: datetime
    checked: datetime | None
    problem: Annotated[str | None, Field(description="Why it did not answer when it was last asked.")]
    writable: Annotated[bool, Field(description="May I change it and its files?")]

    @classmethod
    def of(cls, storage: Storage, user: User) -> Self:
        """Needs ``project`` loaded with the row."""
        return cls(
            id=storage.pk,
            name=storage.name,
            kind=storage.kind,
            project=storage.project.slug,
            options=_told(storage),
            created=storage.created,
            checked=storage.checked,
            problem=storage.problem or None,
            writable=not storages.why_not_change(storage.project, user),
        )


def _told(storage: Storage) -> dict[str, str]:
    form = FORMS.get(storage.kind)
    known = form.ADDRESS.items() if form else ()
    return {name: storage.address[option] for name, option in known if storage.address.get(option)}


class FileOut(Schema):
    path: str
    name: str
    type: Literal["file", "folder"]
    size: int | None
    modified: datetime | None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        return cls(
            path=entry.path,
            name=entry.name,
            type="folder" if entry.is_folder else "file",
            size=entry.size_bytes,
            modified=entry.modified,
        )


class StorageList(ListOut):
    items: list[StorageOut]


class FileList(ListOut):
    items: list[FileOut]
    complete: Annotated[bool, Field(description="False: of very many the first are listed.")]


class TestOut(Schema):
    answers: bool
    problem: str | None
