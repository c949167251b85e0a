"""A federated server's clients and rounds, on the page of its deployment; and where the server itself reports."""

import json
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from dashboard import addresses, federation
from dashboard.federation_forms import InsideForm, OutsideForm
from dashboard.people import person
from jobs import services
from jobs.federation import bundle, clients, reports
from jobs.federation.members import is_server
from jobs.models import Deployment
from jobs.refusals import FieldError, NotPossibleNow, QuotaExceeded, RequestRefused

REPORT_LIMIT = 2_000_000  # bytes


# ── Look ─────────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
def clients_fragment(request: HttpRequest, pk: UUID) -> HttpResponse:
    server = _load(request, pk)
    return render(request, "federation/_clients.html", clients_context(request, server))


@login_required
@require_GET
def rounds_fragment(request: HttpRequest, pk: UUID) -> HttpResponse:
    server = _load(request, pk)
    return render(request, "federation/_rounds.html", {"deployment": server, "progress": federation.progress(server)})


@login_required
@require_GET
def rounds(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The figures of all rounds, as the charts take them."""
    server = _load(request, pk)
    may_open = not services.why_not_change(server, person(request))  # MLflow is an endpoint
    phase = (server.result or {}).get("phase")
    status = {"finished": "FINISHED", "failed": "FAILED"}.get(str(phase), "RUNNING")
    run = {
        "id": server.run_id,
        "name": "",
        "status": status,
        "url": addresses.known_run_url(server) if may_open else "",
    }
    return JsonResponse({"problem": "", "runs": [run], "series": federation.series(server)})


def clients_context(request: HttpRequest, server: Deployment) -> dict[str, Any]:
    return {
        "deployment": server,
        "clients": federation.shown_clients(server),
        "why_not": services.why_not_change(server, person(request)),
        "command": federation.how_to_join(server),
    }


# ── Act ──────────────────────────────────────────────────────────────────────────────────────────
@login_required
def add(request: HttpRequest, pk: UUID, where: str) -> HttpResponse:
    """The form (GET) and what it sends (POST): a bundle to keep, or a new deployment."""
    server = _load(request, pk)
    if why_not := services.why_not_change(server, person(request)):
        messages.error(request, why_not)
        return redirect("deployment", pk)
    form = FORMS[where](request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            return ADD[where](request, server, form)
        except RequestRefused as refusal:
            _take_over(form, refusal.errors)
        except (QuotaExceeded, NotPossibleNow) as obstacle:
            form.add_error(None, str(obstacle))
    context = {"deployment": server, "form": form, "inside": where == "inside"}
    return render(request, "federation/add.html", context, status=422 if form.errors else 200)


def _add_outside(request: HttpRequest, server: Deployment, form: Form) -> HttpResponse:
    """The bundle itself: the private key is in no page, no message and no row."""
    client, key = clients.add_outside(server, person(request), **form.cleaned_data)
    response = HttpResponse(bundle.bundle(client, key), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{bundle.file_name(client)}"'
    response["Cache-Control"] = "no-store"
    return response


def _add_inside(request: HttpRequest, server: Deployment, form: Form) -> HttpResponse:
    client = clients.add_inside(server, person(request), **form.cleaned_data)
    messages.success(request, _("The client “%(name)s” starts as a deployment of its own.") % {"name": client.title})
    return redirect("deployment", server.pk)


FORMS: dict[str, type[Form]] = {"outside": OutsideForm, "inside": InsideForm}
ADD = {"outside": _add_outside, "inside": _add_inside}


def _take_over(form: Form, errors: tuple[FieldError, ...]) -> None:
    names = {f"#/{name}": name for name in form.fields} | {"#/options/part": "part"}
    for error in errors:
        form.add_error(names.get(error.pointer) if names.get(error.pointer) in form.fields else None, error.detail)


@login_required
@require_POST
def revoke(request: HttpRequest, pk: UUID, client_id: UUID) -> HttpResponse:
    client = clients.client_named(_load(request, pk), client_id)
    if client is None:
        raise Http404
    clients.revoke(client, person(request))
    messages.success(request, _("“%(name)s” may no longer take part.") % {"name": client.name})
    return redirect("deployment", pk)


# ── The server itself ────────────────────────────────────────────────────────────────────────────
@csrf_exempt  # no browser comes here: the job shows a secret of its own
@require_POST
def report(request: HttpRequest, pk: UUID) -> JsonResponse:
    """What the job tells of its rounds; the answer names the clients that it is to let in."""
    server = Deployment.objects.filter(pk=pk, deleted=None).select_related("asset").first()
    kind, _blank, token = request.headers.get("Authorization", "").partition(" ")
    if server is None or kind != "Bearer" or not reports.may_report(server, token):
        return JsonResponse({"problem": "This report has no valid token."}, status=HTTPStatus.UNAUTHORIZED)
    if int(request.headers.get("Content-Length") or 0) > REPORT_LIMIT:
        return JsonResponse({"problem": "This report is too long."}, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        told = json.loads(request.body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return JsonResponse({"problem": "This report is no JSON object."}, status=HTTPStatus.BAD_REQUEST)
    return JsonResponse({"clients": reports.take(server, told)})


def _load(request: HttpRequest, pk: UUID) -> Deployment:
    found = get_object_or_404(Deployment.objects.visible_to(person(request)).with_parts(), pk=pk)
    if not is_server(found):
        raise Http404
    return found


urlpatterns = [
    path("deployments/<uuid:pk>/clients/", clients_fragment, name="federation-clients"),
    path("deployments/<uuid:pk>/rounds/", rounds_fragment, name="federation-rounds"),
    path("deployments/<uuid:pk>/rounds.json", rounds, name="federation-figures"),
    path("deployments/<uuid:pk>/clients/outside", add, {"where": "outside"}, name="federation-add-outside"),
    path("deployments/<uuid:pk>/clients/inside", add, {"where": "inside"}, name="federation-add-inside"),
    path("deployments/<uuid:pk>/clients/<uuid:client_id>/revoke", revoke, name="federation-revoke"),
    path("federations/<uuid:pk>/report", report, name="federation-report"),
]
