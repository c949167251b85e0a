"""Pages on which people say of places what counts: energy and cost, where a storage lies, what is favoured."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import Project, User
from dashboard import placing
from dashboard.clusters import must_operate
from dashboard.people import person
from dashboard.placing_forms import FavourForm, FootprintForm, StoragePlaceForm
from dashboard.views.storage import load
from datacenters.models import Datacenter


@login_required
@require_http_methods(["GET", "POST"])
def footprint(request: HttpRequest, name: str) -> HttpResponse:
    must_operate(person(request))
    datacenter = get_object_or_404(Datacenter, name=name)
    data = request.POST if request.method == "POST" else None
    form = FootprintForm(data, instance=placing.footprint_of(datacenter))
    if form.is_valid():
        placing.describe(form, datacenter, person(request))
        messages.success(request, _("Saved. It counts for what is deployed from now on."))
        return redirect("datacenter", name)
    context = {"form": form, "datacenter": datacenter}
    return render(request, "placing/footprint.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "POST"])
def storage_place(request: HttpRequest, pk: UUID) -> HttpResponse:
    storage = load(request, pk)
    placing.must_place(storage, person(request))
    form = StoragePlaceForm(request.POST if request.method == "POST" else None, instance=storage)
    if form.is_valid():
        placing.place(form, person(request))
        messages.success(request, _("Saved. What works on its files goes near."))
        return redirect("storages")
    context = {"form": form, "storage": storage}
    return render(request, "placing/storage.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def my_favour(request: HttpRequest) -> HttpResponse:
    _favour(request, person(request))
    return redirect("profile")


@login_required
@require_POST
def project_favour(request: HttpRequest, slug: str) -> HttpResponse:
    project = get_object_or_404(Project.objects.visible_to(person(request)), slug=slug)
    placing.must_favour_for(project, person(request))
    _favour(request, project)
    return redirect("project", slug)


def _favour(request: HttpRequest, holder: Project | User) -> None:
    form = FavourForm(request.POST)
    if form.is_valid():
        placing.favour(form, holder, person(request))
        messages.success(request, _("Saved. It counts where a deploy form says nothing else."))
    else:
        messages.error(request, " ".join(map(str, form.errors["favour"])))


urlpatterns = [
    path("datacenters/<slug:name>/footprint", footprint, name="datacenter-footprint"),
    path("storage/<uuid:pk>/place", storage_place, name="storage-place"),
    path("profile/favour", my_favour, name="my-favour"),
    path("projects/<slug:slug>/favour", project_favour, name="project-favour"),
]
