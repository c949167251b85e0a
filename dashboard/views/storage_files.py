"""Files of a storage: look, upload, download, preview, rename, delete. Paths travel in the query: names are odd."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path as route
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard import previews, storage_files
from dashboard.people import person
from dashboard.templatetags.serai import filesize
from dashboard.views.storage import load
from datacenters.storage import BadPath, NotThere, StorageProblem, clean_name, clean_path
from jobs import quotas, storages
from jobs.models import Storage, StorageKind

PAGE_SIZE, MB = 200, 1_000_000


@dataclass(frozen=True)
class Crumb:
    name: str
    path: str


class MoveForm(forms.Form):
    to = forms.CharField(
        label=gettext_lazy("New path"),
        max_length=2_000,
        strip=False,
        help_text=gettext_lazy("From the storage's root: another name, or a name in another folder."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


# ── Look ─────────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
def browse(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage, path = _place(request, pk)
    sort = request.GET.get("sort", "name")
    descending = request.GET.get("order") == "descending"
    context: dict[str, Any] = _context(request, storage, path) | {"sort": sort, "descending": descending}
    try:
        found = storage_files.listing(storage, path)
    except NotThere:
        raise Http404 from None
    except StorageProblem as problem:
        return render(request, "storage/browse.html", context | {"problem": str(problem)})
    entries = storage_files.in_order(found.entries, sort, descending=descending)
    page = Paginator(entries, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "storage/browse.html", context | {"page": page, "complete": found.complete})


@login_required
@require_GET
def preview(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage, path = _place(request, pk)
    context = _context(request, storage, path)
    try:
        entry = storage_files.file_at(storage, path)
        shown = previews.preview(storages.remote_of(storage), entry)
    except NotThere:
        raise Http404 from None
    except StorageProblem as problem:
        return render(request, "storage/preview.html", context | {"problem": str(problem)})
    return render(request, "storage/preview.html", context | {"entry": entry, "preview": shown})


@login_required
@require_GET
def download(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    storage, path = _place(request, pk)
    return _sent(request, storage, path)


@login_required
@require_GET
def inline(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """A picture or PDF for the page that shows it; nothing else leaves in a form that a browser opens."""
    storage, path = _place(request, pk)
    content_type = previews.INLINE.get(PurePosixPath(path).suffix.lower())
    if content_type is None:
        raise Http404
    return _sent(request, storage, path, content_type=content_type, inline=True)


def _sent(request: HttpRequest, storage: Storage, path: str, **how: Any) -> HttpResponseBase:
    try:
        return storage_files.download(storage, storage_files.file_at(storage, path), **how)
    except NotThere:
        raise Http404 from None
    except StorageProblem as problem:
        messages.error(request, str(problem))
        return _to_folder(storage, _parent(path))


# ── Change ───────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_POST
def upload(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage, path = _place(request, pk)
    storage_files.must_write(storage, person(request))
    files, replace = request.FILES.getlist("files"), bool(request.POST.get("replace"))
    if not files:
        messages.error(request, _("Choose at least one file."))
    done = sum(_uploaded(request, storage, path, file, replace=replace) for file in files)
    if done:
        messages.success(
            request, ngettext("%(count)d file is there.", "%(count)d files are there.", done) % {"count": done}
        )
    answer = _to_folder(storage, path)
    if request.headers.get("X-Requested-With") == "XMLHttpRequest":  # static/js/storage.js goes there by itself
        return HttpResponse(status=204, headers={"X-Next": answer["Location"]})
    return answer


def _uploaded(
    request: HttpRequest, storage: Storage, folder: str, file: "UploadedFile[bytes]", *, replace: bool
) -> bool:
    try:
        target = _below(folder, clean_name(file.name or ""))
        storage_files.upload(storage, person(request), target, file.file, file.size or 0, replace=replace)  # type: ignore[arg-type]
    except StorageProblem as problem:
        messages.error(request, f"{file.name}: {problem}")
        return False
    return True


@login_required
@require_POST
def make_folder(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage, path = _place(request, pk)

    def make() -> None:
        storage_files.make_folder(
            storage, person(request), _below(path, clean_name(request.POST.get("name", "").strip()))
        )

    return _done(request, storage, path, make, _("The folder is there."))


@login_required
@require_POST
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage, path = _place(request, pk)
    said = _("“%s” is deleted.") % path.rpartition("/")[2]
    return _done(request, storage, _parent(path), lambda: storage_files.delete(storage, person(request), path), said)


@login_required
@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage, path = _place(request, pk)
    storage_files.must_write(storage, person(request))
    form = MoveForm(request.POST if request.method == "POST" else None, initial={"to": path})
    if form.is_valid():
        try:
            storage_files.move(storage, person(request), path, form.cleaned_data["to"])
        except StorageProblem as problem:
            form.add_error("to", str(problem))
        else:
            messages.success(request, _("It is called “%s” now.") % form.cleaned_data["to"])
            return _to_folder(storage, _parent(clean_path(form.cleaned_data["to"])))
    context = _context(request, storage, path) | {"form": form}
    return render(request, "storage/move.html", context, status=422 if form.errors else 200)


def _done(request: HttpRequest, storage: Storage, folder: str, act: Callable[[], None], said: str) -> HttpResponse:
    storage_files.must_write(storage, person(request))
    try:
        act()
    except StorageProblem as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, said)
    return _to_folder(storage, folder)


# ── Places ───────────────────────────────────────────────────────────────────────────────────────
def _place(request: HttpRequest, pk: UUID) -> tuple[Storage, str]:
    """The storage and the path that the query names; 404 for what is neither's."""
    storage = load(request, pk)
    try:
        return storage, clean_path(request.GET.get("path", ""))
    except BadPath:
        raise Http404 from None


def _context(request: HttpRequest, storage: Storage, path: str) -> dict[str, Any]:
    steps = path.split("/") if path else []
    return {
        "storage": storage,
        "path": path,
        "parent_query": quote(_parent(path), safe=""),  # quoted as a query is, for templates that add it to an address
        "path_query": quote(path, safe=""),
        "upload_limit": filesize(settings.UPLOAD_LIMIT_MB * MB),
        "name": steps[-1] if steps else str(storage),
        "crumbs": [Crumb(step, "/".join(steps[: number + 1])) for number, step in enumerate(steps[:-1])],
        "why_not": storages.why_not_change(storage.project, person(request)),
        "home": [quotas.home_meter(storage.project)] if storage.kind == StorageKind.HOME else [],
    }


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _to_folder(storage: Storage, path: str) -> HttpResponse:
    query = f"?{urlencode({'path': path})}" if path else ""
    return redirect(reverse("storage", args=[storage.pk]) + query)


urlpatterns = [
    route("storage/<uuid:pk>/", browse, name="storage"),
    route("storage/<uuid:pk>/preview", preview, name="storage-preview"),
    route("storage/<uuid:pk>/download", download, name="storage-download"),
    route("storage/<uuid:pk>/inline", inline, name="storage-inline"),
    route("storage/<uuid:pk>/upload", upload, name="storage-upload"),
    route("storage/<uuid:pk>/folder", make_folder, name="storage-folder"),
    route("storage/<uuid:pk>/delete", delete, name="storage-delete"),
    route("storage/<uuid:pk>/move", move, name="storage-move"),
]
