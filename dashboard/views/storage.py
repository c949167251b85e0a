"""Storages: linked ones and homes; look, link, test, change, unlink. Their files: storage_files.py."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import WORKING, Project, User
from dashboard import scope
from dashboard.people import person
from dashboard.storage_forms import FORMS, form_of
from jobs import storages
from jobs.models import Storage, StorageKind
from jobs.refusals import NotPossibleNow


@dataclass(frozen=True)
class Listed:
    storage: Storage
    where: str
    why_not: str  # this person may not change it; empty if they may


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    user = person(request)
    rows = Storage.objects.visible_to(user).select_related("project")
    chosen = scope.chosen_project(request, user)
    rows = rows.filter(project=chosen) if chosen else rows
    listed = [_listed(row, user) for row in rows.order_by("project__name", "-kind", "name")]
    context = {
        "homes": [item for item in listed if item.storage.kind == StorageKind.HOME],
        "linked": [item for item in listed if item.storage.kind != StorageKind.HOME],
        "may_link": Project.objects.of(user, *WORKING).exists(),
    }
    return render(request, "storage/index.html", context)


def _listed(row: Storage, user: User) -> Listed:
    return Listed(row, storages.host_of(row.address), storages.why_not_change(row.project, user))


@login_required
@require_http_methods(["GET", "POST"])
def link(request: HttpRequest, kind: str) -> HttpResponse:
    """Its form; kept once the storage has answered."""
    user = person(request)
    if not Project.objects.of(user, *WORKING).exists():
        raise PermissionDenied(_("You may look at your projects' storages, not link others."))
    chosen = scope.chosen_project(request, user)
    form = FORMS[kind](
        request.POST if request.method == "POST" else None,
        owner=user,
        initial={"project": chosen.slug} if chosen else {},
    )
    if form.is_valid() and (storage := form.keep()):
        messages.success(request, _("“%s” is linked: it answered.") % storage)
        return redirect("storage", storage.pk)
    kinds = [(value, StorageKind(value).label) for value in FORMS]
    context = {"form": form, "kind": kind, "kinds": kinds}
    return render(request, "storage/link.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage = load(request, pk)
    storages.must_work_in(storage.project, person(request))
    form = form_of(storage, request.POST if request.method == "POST" else None, person(request))
    if form.is_valid() and form.keep():
        messages.success(request, _("Saved."))
        return redirect("storages")
    context = {"form": form, "storage": storage}
    return render(request, "storage/edit.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def test(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage = load(request, pk)
    if problem := storages.check_storage(storage):
        messages.error(request, f"{storage}: {problem}")
    else:
        messages.success(request, _("“%s” answers.") % storage)
    return redirect("storages")


@login_required
@require_POST
def unlink(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage = load(request, pk)
    try:
        storages.unlink_storage(storage, person(request))
    except NotPossibleNow as obstacle:
        messages.error(request, str(obstacle))
    else:
        messages.success(request, _("“%s” is unlinked. Its files stay where they are.") % storage)
    return redirect("storages")


def load(request: HttpRequest, pk: UUID) -> Storage:
    """The storage, if it is there and this person may see it; else 404."""
    return get_object_or_404(Storage.objects.visible_to(person(request)).select_related("project"), pk=pk)


urlpatterns = [
    path("storage/", index, name="storages"),
    *(path(f"storage/link/{kind}", link, {"kind": kind}, name=f"link-storage-{kind}") for kind in FORMS),
    path("storage/<uuid:pk>/edit", edit, name="storage-edit"),
    path("storage/<uuid:pk>/test", test, name="storage-test"),
    path("storage/<uuid:pk>/unlink", unlink, name="storage-unlink"),
]
