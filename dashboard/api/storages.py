"""Storages: link, test, change, unlink; and their files: list, read, write, make folders, move, delete."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Annotated, Any, cast
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Router, Status
from ninja.files import UploadedFile
from pydantic import Field

from dashboard import storage_files
from dashboard.api import paging, problems
from dashboard.api.auth import WRITE
from dashboard.api.storage_schemas import (
    FileList,
    FileOut,
    FolderIn,
    MoveIn,
    StorageChangeIn,
    StorageIn,
    StorageList,
    StorageOut,
    TestOut,
)
from dashboard.people import person
from dashboard.storage_forms import FORMS, HomeForm, StorageForm, form_of
from datacenters.storage import clean_name
from jobs import storages
from jobs.models import Storage

router = Router(tags=["storages"])

Path = Annotated[str, Field(description="From the storage's root, with slashes; percent-encoded as any query is.")]
OF_BODY = {"name", "project"}
CHUNK = 256 * 1024


# ── Storages ─────────────────────────────────────────────────────────────────────────────────────
@router.get("storages", response=StorageList, operation_id="list_storages", summary="My projects' storages")
def list_storages(
    request: HttpRequest,
    q: Annotated[str, Field(description="Part of a name.")] = "",
    project: Annotated[str, Field(description="Of this project alone.")] = "",
    kind: Annotated[str, Field(description="home, webdav, s3 or sftp.")] = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> StorageList:
    user = person(request)
    wanted = {"name__icontains": q, "project__slug": project, "kind": kind}
    narrowed = Q(**{name: value for name, value in wanted.items() if value})
    rows = Storage.objects.visible_to(user).filter(narrowed).select_related("project").order_by("name", "pk")
    page, count, following = paging.by_offset(rows, limit=limit, cursor=cursor)
    return StorageList(items=[StorageOut.of(row, user) for row in page], count=count, next=following)


@router.post(
    "storages",
    auth=WRITE,
    response={201: StorageOut},
    operation_id="link_storage",
    summary="Link one: it is kept once it has answered",
)
def link_storage(request: HttpRequest, response: HttpResponse, body: StorageIn) -> HttpResponse | Status[StorageOut]:
    form = FORMS[body.kind]({"name": body.name, "project": body.project, **body.options}, owner=person(request))
    unknown = _unknown(form, body.options)
    if unknown or not form.is_valid() or not (storage := form.keep()):
        return unknown or problems.invalid_form(form, at=_pointer)
    response["Location"] = f"/api/v1/storages/{storage.pk}"
    return Status(201, StorageOut.of(storage, person(request)))


@router.get("storages/{id}", response=StorageOut, operation_id="get_storage", summary="One storage")
def get_storage(request: HttpRequest, id: UUID) -> StorageOut:
    return StorageOut.of(load(request, id), person(request))


@router.patch(
    "storages/{id}", auth=WRITE, response=StorageOut, operation_id="change_storage", summary="Change or rename it"
)
def change_storage(request: HttpRequest, id: UUID, body: StorageChangeIn) -> HttpResponse | StorageOut:
    storage = load(request, id)
    storages.must_work_in(storage.project, person(request))
    kept = StorageOut.of(storage, person(request)).options
    data = {"name": storage.name if body.name is None else body.name, **kept, **body.options}
    form = form_of(storage, data, person(request))
    unknown = _unknown(form, body.options)
    if unknown or not form.is_valid() or not form.keep():
        return unknown or problems.invalid_form(form, at=_pointer)
    return StorageOut.of(storage, person(request))


@router.delete(
    "storages/{id}",
    auth=WRITE,
    response={204: None},
    operation_id="unlink_storage",
    summary="Unlink it; its files stay where they are",
)
def unlink_storage(request: HttpRequest, id: UUID) -> HttpResponse:
    storages.unlink_storage(load(request, id), person(request))
    return HttpResponse(status=204)


@router.post(
    "storages/{id}/test", auth=WRITE, response=TestOut, operation_id="test_storage", summary="Does it answer now?"
)
def test_storage(request: HttpRequest, id: UUID) -> TestOut:
    problem = storages.check_storage(load(request, id))
    return TestOut(answers=not problem, problem=problem or None)


# ── Files ────────────────────────────────────────────────────────────────────────────────────────
@router.get("storages/{id}/files", response=FileList, operation_id="list_files", summary="What lies in a folder")
def list_files(
    request: HttpRequest,
    id: UUID,
    path: Path = "",
    limit: paging.Limit = paging.LARGEST_LIMIT,
    cursor: paging.Cursor = None,
) -> FileList:
    found = storage_files.listing(load(request, id), path)
    entries = storage_files.in_order(found.entries, "name", descending=False)
    start = paging.opened_offset(cursor)
    page, following = entries[start : start + limit], start + limit
    return FileList(
        items=[FileOut.of(entry) for entry in page],
        count=len(entries),
        next=paging.closed(following) if following < len(entries) else None,
        complete=found.complete,
    )


@router.get(
    "storages/{id}/files/content",
    operation_id="get_file",
    summary="A file's bytes",
    openapi_extra={"responses": {200: {"description": "The file", "content": {"application/octet-stream": {}}}}},
)
def get_file(request: HttpRequest, id: UUID, path: Path = "") -> HttpResponseBase:
    storage = load(request, id)
    return storage_files.download(storage, storage_files.file_at(storage, path))


@router.put(
    "storages/{id}/files/content",
    auth=WRITE,
    response={200: FileOut, 201: FileOut},
    operation_id="put_file",
    summary="Put a file there, also in place of another",
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
def put_file(request: HttpRequest, id: UUID, path: Path = "") -> Status[FileOut]:
    """The body is the file."""
    storage = load(request, id)
    storage_files.must_write(storage, person(request))
    with _body(request) as (source, size_bytes):
        is_new = storage_files.upload(storage, person(request), path, source, size_bytes, replace=True)
    return Status(201 if is_new else 200, FileOut.of(storage_files.file_at(storage, path)))


@router.post(
    "storages/{id}/files",
    auth=WRITE,
    response={201: list[FileOut]},
    operation_id="upload_files",
    summary="Upload several files into a folder, as a form does",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    }
                }
            },
        }
    },
)
def upload_files(
    request: HttpRequest,
    id: UUID,
    path: Path = "",
    replace: Annotated[bool, Field(description="Take the place of files that are there.")] = False,
) -> HttpResponse | Status[list[FileOut]]:
    storage = load(request, id)
    storage_files.must_write(storage, person(request))
    files = cast(list[UploadedFile], request.FILES.getlist("files"))
    if not files:
        return problems.invalid([("#/files", _("Send at least one file, in the field “files”."))])
    return Status(201, [FileOut.of(_uploaded(request, storage, path, file, replace=replace)) for file in files])


@router.delete(
    "storages/{id}/files",
    auth=WRITE,
    response={204: None},
    operation_id="delete_file",
    summary="Delete a file, or a folder with all that is in it",
)
def delete_file(request: HttpRequest, id: UUID, path: Path = "") -> HttpResponse:
    storage_files.delete(load(request, id), person(request), path)
    return HttpResponse(status=204)


@router.post(
    "storages/{id}/files/folder",
    auth=WRITE,
    response={201: FileOut},
    operation_id="make_folder",
    summary="Make a folder",
)
def make_folder(request: HttpRequest, id: UUID, body: FolderIn) -> Status[FileOut]:
    storage = load(request, id)
    storage_files.make_folder(storage, person(request), body.path)
    return Status(201, FileOut.of(storage_files.entry_at(storage, body.path)))


@router.post(
    "storages/{id}/files/move",
    auth=WRITE,
    response=FileOut,
    operation_id="move_file",
    summary="Rename a file or folder, or move it elsewhere in the storage",
)
def move_file(request: HttpRequest, id: UUID, body: MoveIn) -> FileOut:
    storage = load(request, id)
    storage_files.move(storage, person(request), body.path, body.to)
    return FileOut.of(storage_files.entry_at(storage, body.to))


# ── Found, answered ──────────────────────────────────────────────────────────────────────────────
def load(request: HttpRequest, pk: UUID) -> Storage:
    """The storage, if it is there and this person may see it; else 404."""
    return get_object_or_404(Storage.objects.visible_to(person(request)).select_related("project"), pk=pk)


@contextmanager
def _body(request: HttpRequest) -> Iterator[tuple[IO[bytes], int]]:
    """The body on disk, piece by piece, and its size: ``request.body`` would hold it in memory."""
    with TemporaryFile() as file:
        while piece := request.read(CHUNK):
            file.write(piece)
        size_bytes = file.tell()
        file.seek(0)
        yield file, size_bytes


def _uploaded(request: HttpRequest, storage: Storage, folder: str, file: UploadedFile, *, replace: bool) -> Any:
    name = clean_name(file.name or "")
    target = f"{folder}/{name}" if folder.strip("/") else name
    source = cast(IO[bytes], file.file)
    storage_files.upload(storage, person(request), target, source, file.size or 0, replace=replace)
    return storage_files.file_at(storage, target)


def _unknown(form: StorageForm | HomeForm, options: dict[str, Any]) -> HttpResponse | None:
    odd = sorted(set(options) - set(form.fields) | set(options) & OF_BODY)
    errors = [(problems.pointer("options", name), _("There is no such value.")) for name in odd]
    return problems.invalid(errors) if errors else None


def _pointer(name: str) -> str:
    return problems.pointer(name) if name in OF_BODY else problems.pointer("options", name)
