"""A person's own page: who they are, their password, their tokens."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import ApiToken, AuditEvent, Capability, Membership, Scope, User
from dashboard.account_forms import ProfileForm, TokenForm
from dashboard.identities import identities
from dashboard.people import person
from jobs import quotas


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your profile is saved."))
        return redirect("profile")
    context = {
        "form": form,
        "capabilities": [(capability.label, user.can(capability)) for capability in Capability],
        "memberships": Membership.objects.filter(user=user, project__archived=None)
        .select_related("project")
        .order_by("project__name"),
        "meters": quotas.meters(user),
        "identities": identities(user),
        "tokens_in_use": ApiToken.objects.valid().filter(user=user).count(),
    }
    return render(request, "accounts/profile.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form_class = PasswordChangeForm if user.has_usable_password() else SetPasswordForm
    form = form_class(user, request.POST or None)
    if form.is_valid():
        form.save()
        update_session_auth_hash(request, user)
        AuditEvent.record(user, "user.password-changed", user)
        messages.success(request, _("Your password is set. Other browsers where you were signed in are signed out."))
        return redirect("profile")
    return render(request, "accounts/password.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@require_GET
def tokens(request: HttpRequest) -> HttpResponse:
    return _tokens_page(request, TokenForm())


@login_required
@never_cache
@require_POST
def create_token(request: HttpRequest) -> HttpResponse:
    """Answers with the token instead of redirecting: so its value is in this one answer and nowhere else."""
    user, form = person(request), TokenForm(request.POST)
    if not form.is_valid():
        return _tokens_page(request, form)
    with transaction.atomic():
        token, value = ApiToken.issue(
            user, form.cleaned_data["name"], scopes=form.cleaned_data["scopes"], lasts=form.lasts
        )
        AuditEvent.record(user, "token.created", token, name=token.name, scopes=token.scopes)
    return render(request, "accounts/token_created.html", {"token": token, "value": value})


@login_required
@require_POST
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    user = person(request)
    token = get_object_or_404(ApiToken, pk=token_id, user=user)
    if token.revoke():
        AuditEvent.record(user, "token.revoked", token, name=token.name)
    messages.success(request, _("“%s” is revoked: nothing can use it any more.") % token.name)
    return redirect("tokens")


def _tokens_page(request: HttpRequest, form: TokenForm) -> HttpResponse:
    rows = ApiToken.objects.filter(user=person(request), revoked=None).order_by("-created")
    labels = dict(Scope.choices)
    listed = [(token, [labels.get(scope, scope) for scope in token.scopes]) for token in rows]
    context = {"form": form, "tokens": listed}
    return render(request, "accounts/tokens.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("profile", profile, name="profile"),
    path("profile/password", password, name="password"),
    path("profile/tokens", tokens, name="tokens"),
    path("profile/tokens/new", create_token, name="create-token"),
    path("profile/tokens/<uuid:token_id>/revoke", revoke_token, name="revoke-token"),
]
