"""Who may come in: the administrators' page of people."""

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import standing
from accounts.models import AuditEvent, Capability, SigninCode, User
from accounts.services import NotPossible
from dashboard.account_forms import InviteForm, Standing, StandingForm
from dashboard.people import person
from dashboard.project_forms import QuotaForm
from jobs import quotas

View = Callable[..., HttpResponse]


def administrators_only(view: View) -> View:
    @wraps(view)
    def checked(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not person(request).can(Capability.ADMINISTER):
            raise PermissionDenied(_("Only administrators of the platform may do that."))
        return view(request, *args, **kwargs)

    return login_required(checked)


@administrators_only
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    users = User.objects.order_by("-is_active", "username")
    standings = dict(Standing.CHOICES)
    listed = [(user, standings[Standing.of(user)]) for user in users]
    return render(request, "accounts/people.html", {"people": listed})


@administrators_only
@never_cache
@require_http_methods(["GET", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    form = InviteForm(request.POST or None)
    if form.is_valid():
        with transaction.atomic():
            user = form.save()
            AuditEvent.record(person(request), "user.invited", user)
        return _show_link(request, user)
    return render(request, "accounts/invite.html", {"form": form}, status=422 if form.errors else 200)


@administrators_only
@require_http_methods(["GET", "POST"])
def edit_person(request: HttpRequest, username: str) -> HttpResponse:
    user = get_object_or_404(User, username=username)
    form = _standing_form(user, request.POST or None)
    if form.is_valid():
        try:
            standing.change(user, person(request), form.asked)
        except NotPossible as obstacle:
            form.add_error("standing", str(obstacle))
        else:
            messages.success(request, _("%s is changed.") % user)
            return redirect("people")
    return _person_page(request, user, form, QuotaForm.of(user))


@administrators_only
@require_http_methods(["GET", "POST"])
def quota(request: HttpRequest, username: str) -> HttpResponse:
    """How much somebody may hold, in all their projects together."""
    user = get_object_or_404(User, username=username)
    form = QuotaForm.of(user, request.POST if request.method == "POST" else None)
    if form.is_valid():
        quotas.set_limits(user, person(request), form.cleaned_data)
        messages.success(request, _("It holds from now on. What runs goes on."))
        return redirect("person", username)
    return _person_page(request, user, _standing_form(user), form)


def _standing_form(user: User, data: QueryDict | None = None) -> StandingForm:
    return StandingForm(data, initial={"level": user.level, "standing": Standing.of(user)})


def _person_page(request: HttpRequest, user: User, form: StandingForm, quota_form: QuotaForm) -> HttpResponse:
    context = {
        "form": form,
        "quota_form": quota_form,
        "meters": quotas.meters(user),
        "who": user,
        "is_self": user == person(request),
    }
    wrong = form.errors or quota_form.errors
    return render(request, "accounts/person.html", context, status=422 if wrong else 200)


@administrators_only
@never_cache
@require_POST
def signin_link(request: HttpRequest, username: str) -> HttpResponse:
    return _show_link(request, get_object_or_404(User, username=username, is_active=True))


@administrators_only
@require_POST
def switch(request: HttpRequest, username: str) -> HttpResponse:
    """Switch an account on or off; off ends its sessions and tokens at their next use."""
    user = get_object_or_404(User.objects.exclude(pk=person(request).pk), username=username)
    on = request.POST.get("active") == "1"
    standing.switch(user, person(request), on=on)
    text = _("%s may come in again.") if on else _("%s may no longer come in. What they run goes on.")
    messages.success(request, text % user)
    return redirect("people")


def _show_link(request: HttpRequest, user: User) -> HttpResponse:
    """Answers with the link instead of redirecting: its code is in this one answer and nowhere else."""
    link = f"{settings.SERAI_URL}{reverse('welcome')}#{SigninCode.issue(user)}"
    AuditEvent.record(person(request), "signin_link.created", user)
    return render(request, "accounts/signin_link.html", {"who": user, "link": link})


urlpatterns = [
    path("people/", people, name="people"),
    path("people/new", invite, name="invite"),
    path("people/<str:username>/", edit_person, name="person"),
    path("people/<str:username>/quota", quota, name="person-quota"),
    path("people/<str:username>/link", signin_link, name="person-link"),
    path("people/<str:username>/switch", switch, name="person-switch"),
]
