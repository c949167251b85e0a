"""The form by which things are deployed and trained, and what stands beside it."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_POST

from accounts.models import WORKING
from dashboard import cloning, scope, snippets
from dashboard.form_bodies import OPTION
from dashboard.forms import DeployForm, api_body, plan_of
from dashboard.people import person
from dashboard.sweep_forms import SweepForm, sweep_body
from jobs import refusals, services, sweeps, tools
from jobs.models import DeploymentKind
from marketplace.models import Asset, Kind


@login_required
def deploy(request: HttpRequest, slug: str, kind: str = DeploymentKind.SERVICE) -> HttpResponse:
    """The form (GET) and what it sends (POST); what is wrong comes back in it with 422."""
    asset = get_object_or_404(Asset.objects.listed(), slug=slug)
    user, kind = person(request), tools.kind_of(asset, kind)
    # An empty form is sent too: everything in it has a default.
    wants_a_row = "add" in request.POST
    data = request.POST if request.method == "POST" and not wants_a_row else None
    initial = _project_chosen(request) | cloning.values(request.GET, asset, user) | _options_in(request)
    if wants_a_row:
        initial |= _as_sent(request)
    form = _form_of(kind, asset)(data, owner=user, asset=asset, kind=kind, initial=initial)
    if form.is_valid():
        try:
            return _started(request, form)
        except refusals.RequestRefused as refusal:
            form.refuse(refusal.errors)
        except refusals.QuotaExceeded as excess:
            form.add_error(None, str(excess))
    context = {"form": form, "asset": asset, "training": _trains(kind, asset), **_beside(form)}
    return render(request, "deployments/new.html", context, status=422 if form.errors else 200)


def _as_sent(request: HttpRequest) -> dict[str, Any]:
    """What stands in the form that asks for another row: nothing of it is looked at yet."""
    several = ("prefer", "exclude")
    return {name: request.POST.getlist(name) if name in several else request.POST[name] for name in request.POST}


def _started(request: HttpRequest, form: DeployForm) -> HttpResponse:
    user = person(request)
    if isinstance(form, SweepForm) and form.is_sweep:
        sweep = sweeps.start_sweep(form.deploy_request(), form.variants, at_once=form.at_once, owner=user)
        return redirect("sweep", sweep.pk)
    return redirect("deployment", services.deploy(form.deploy_request(), owner=user).pk)


@login_required
@require_POST
def beside(request: HttpRequest, slug: str, kind: str = DeploymentKind.SERVICE) -> HttpResponse:
    """What stands beside the form as it is filled: where it would run, and the same as a script."""
    asset = get_object_or_404(Asset.objects.listed(), slug=slug)
    kind = tools.kind_of(asset, kind)
    form = _form_of(kind, asset)(request.POST, owner=person(request), asset=asset, kind=kind)
    return render(request, "deployments/_beside.html", _beside(form))


def _form_of(kind: str, asset: Asset) -> type[DeployForm]:
    return SweepForm if _trains(kind, asset) else DeployForm


def _trains(kind: str, asset: Asset) -> bool:
    """A module's batch run; a tool's is no training."""
    return kind == DeploymentKind.BATCH and asset.kind == Kind.MODULE


def _options_in(request: HttpRequest) -> dict[str, str]:
    """What a link fills in, such as the deployment that a tool does something with."""
    return {name: str(text) for name, text in request.GET.items() if name.startswith(OPTION)}


def _beside(form: DeployForm) -> dict[str, Any]:
    checked = form if form.is_bound else form.untouched()
    if not checked.is_valid():
        return {"plan": None, "capacities": form.capacities}
    context = {"plan": plan_of(checked), "capacities": form.capacities}
    if isinstance(checked, SweepForm) and checked.is_sweep:
        shown = snippets.posted("sweeps", sweep_body(checked, api_body(checked)))
        return context | {"snippets": shown, "trainings": checked.count_in_words()}
    return context | {"snippets": snippets.posted("deployments", api_body(checked))}


def _project_chosen(request: HttpRequest) -> dict[str, Any]:
    """The project of the header, if this person may deploy there."""
    user = person(request)
    chosen = scope.chosen_project(request, user)
    return {"project": chosen.slug} if chosen and chosen.role_of(user) in WORKING else {}


TRAIN = {"kind": DeploymentKind.BATCH}
urlpatterns = [
    path("modules/<slug:slug>/deploy/", deploy, name="deploy"),
    path("modules/<slug:slug>/deploy/beside/", beside, name="deploy-beside"),
    path("modules/<slug:slug>/train/", deploy, TRAIN, name="train"),
    path("modules/<slug:slug>/train/beside/", beside, TRAIN, name="train-beside"),
]
