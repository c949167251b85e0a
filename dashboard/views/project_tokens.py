"""Tokens of a cluster, for those who run datacenters: one a project, and Serai's own."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import Project
from dashboard.people import person
from dashboard.token_forms import ProjectTokenForm, RenewForm
from dashboard.views.clusters import operators_only
from datacenters import tokens
from datacenters.models import Cluster


@operators_only
@require_http_methods(["GET", "POST"])
def project_tokens(request: HttpRequest, name: str) -> HttpResponse:
    cluster = _load(name)
    form = ProjectTokenForm(request.POST if request.method == "POST" else None, initial=_asked(request))
    if form.is_valid() and form.act(cluster, person(request)):
        project = form.cleaned_data["project"]
        messages.success(request, _("%s has a token of its own there, which its jobs use from now on.") % project)
        return redirect("project-tokens", name)
    return _page(request, cluster, form, RenewForm())


@operators_only
@require_POST
def renew(request: HttpRequest, name: str) -> HttpResponse:
    cluster = _load(name)
    form = RenewForm(request.POST)
    if form.is_valid() and form.act(cluster, person(request)):
        messages.success(request, _("Serai uses another token there now; the former one has ended."))
        return redirect("project-tokens", name)
    return _page(request, cluster, ProjectTokenForm(), form)


@operators_only
@require_POST
def forget(request: HttpRequest, name: str, slug: str) -> HttpResponse:
    cluster, project = _load(name), get_object_or_404(Project, slug=slug)
    if tokens.take_back(cluster, project, person(request)):
        messages.success(request, _("Jobs of %s use the cluster's own token again.") % project)
    return redirect("project-tokens", name)


def _load(name: str) -> Cluster:
    return get_object_or_404(Cluster, name=name, local=False)


def _asked(request: HttpRequest) -> dict[str, str]:
    return {"project": request.GET["project"]} if "project" in request.GET else {}


def _page(request: HttpRequest, cluster: Cluster, form: ProjectTokenForm, renewal: RenewForm) -> HttpResponse:
    chosen = Project.objects.filter(slug=form["project"].value() or "").first()
    context = {
        "cluster": cluster,
        "form": form,
        "renewal": renewal,
        "given": cluster.project_tokens.select_related("project", "given_by"),
        "chosen": chosen,
        "rules": tokens.rules_for(chosen) if chosen else "",
        "commands": tokens.commands_for(chosen) if chosen else "",
    }
    return render(request, "clusters/tokens.html", context, status=422 if form.errors or renewal.errors else 200)


urlpatterns = [
    path("clusters/<slug:name>/tokens/", project_tokens, name="project-tokens"),
    path("clusters/<slug:name>/tokens/renew", renew, name="cluster-token-renew"),
    path("clusters/<slug:name>/tokens/<slug:slug>/forget", forget, name="project-token-forget"),
]
