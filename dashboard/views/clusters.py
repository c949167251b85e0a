"""Clusters, for those who run datacenters: bring one, test it, change it, let it go."""

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.services import NotPossible
from dashboard import clusters
from dashboard.cluster_forms import ClusterForm
from dashboard.people import person
from datacenters.clusters import COMMANDS, POLICY, works
from datacenters.models import Cluster

View = Callable[..., HttpResponse]


def operators_only(view: View) -> View:
    @wraps(view)
    def checked(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        clusters.must_operate(person(request))
        return view(request, *args, **kwargs)

    return login_required(checked)


@operators_only
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "clusters/index.html", {"clusters": clusters.listed()})


@operators_only
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    form = ClusterForm(_data(request))
    if form.is_valid():
        return _saved(request, form)
    return _page(request, form, None)


@operators_only
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, name: str) -> HttpResponse:
    cluster = get_object_or_404(Cluster, name=name)
    if cluster.local:
        return render(request, "clusters/local.html", {"cluster": cluster})
    form = ClusterForm(_data(request), instance=cluster)
    if form.is_valid():
        return _saved(request, form)
    return _page(request, form, get_object_or_404(Cluster, name=name))


@operators_only
@require_POST
def test(request: HttpRequest, name: str) -> HttpResponse:
    cluster = get_object_or_404(Cluster, name=name, local=False)
    checks = clusters.test(cluster, person(request))
    _say(request, works(checks))
    return redirect("cluster", name)


@operators_only
@require_POST
def remove(request: HttpRequest, name: str) -> HttpResponse:
    cluster = get_object_or_404(Cluster, name=name)
    try:
        clusters.remove(cluster, person(request))
    except NotPossible as error:
        messages.error(request, str(error))
        return redirect("cluster", name)
    messages.success(request, _("%s is no longer known here.") % name)
    return redirect("clusters")


def _data(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _saved(request: HttpRequest, form: ClusterForm) -> HttpResponse:
    cluster = clusters.save(form, person(request))
    _say(request, all(check["ok"] is not False for check in cluster.checks))
    return redirect("cluster", cluster.name)


def _say(request: HttpRequest, well: bool) -> None:
    if well:
        messages.success(request, _("It works. What was tried stands below."))
    else:
        messages.warning(request, _("Not everything works yet. What is missing stands below."))


def _page(request: HttpRequest, form: ClusterForm, cluster: Cluster | None) -> HttpResponse:
    why_not = clusters.why_not_remove(cluster) if cluster else ""
    context = {"form": form, "cluster": cluster, "policy": POLICY, "commands": COMMANDS, "why_not_remove": why_not}
    return render(request, "clusters/detail.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("clusters/", index, name="clusters"),
    path("clusters/new", add, name="new-cluster"),
    path("clusters/<slug:name>/", change, name="cluster"),
    path("clusters/<slug:name>/test", test, name="cluster-test"),
    path("clusters/<slug:name>/remove", remove, name="cluster-remove"),
]
