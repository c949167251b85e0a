"""Sign-in by OpenID Connect: out to the provider and back, and which identities an account is tied to."""

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from requests import RequestException

from accounts.oidc import refusals
from accounts.oidc.adapters import disconnect, why_not
from accounts.oidc.config import Identity
from accounts.oidc.provider import IdentityAdapter, identity_of
from dashboard.addresses import next_page
from dashboard.people import person
from dashboard.throttle import address, allow, too_many

WINDOW_SECONDS, TRIES = 600, 30


@never_cache
@require_POST
def begin(request: HttpRequest, provider: str) -> HttpResponse:
    """To the provider's own page, where the person signs in."""
    if request.user.is_authenticated:
        return redirect(next_page(request))
    return _lead_there(request, _identity(provider), AuthProcess.LOGIN, next_page(request))


@login_required
@never_cache
@require_POST
def connect(request: HttpRequest, provider: str) -> HttpResponse:
    """The same, to tie that identity to the account of this session."""
    return _lead_there(request, _identity(provider), AuthProcess.CONNECT, reverse("profile"))


def _lead_there(request: HttpRequest, identity: Identity, process: str, next_url: str) -> HttpResponse:
    if not allow(f"oidc:{address(request)}", TRIES, WINDOW_SECONDS):
        return too_many(request, WINDOW_SECONDS)
    try:
        there = get_adapter().get_provider(request, identity.id).redirect(request, process, next_url=next_url)
    except (RequestException, OAuth2Error) as error:
        return refusals.page(request, why_not(request, identity.name, None, error))
    # A page that leads on, since a form may be sent to our own origin only (form-action), redirections included.
    return render(request, "accounts/signin_elsewhere.html", {"name": identity.name, "url": there.url})


@never_cache
@require_GET
def back(request: HttpRequest, provider: str) -> HttpResponse:
    """Where the provider sends the browser; state, nonce and all tokens are checked behind this."""
    identity = _identity(provider)
    view = OAuth2CallbackView.adapter_view(IdentityAdapter(request, identity.id))
    try:
        response: HttpResponse = view(request)
    except (RequestException, OAuth2Error) as error:  # before allauth catches any: its configuration
        response = refusals.page(request, why_not(request, identity.name, None, error))
    return response


@login_required
@require_POST
def cut(request: HttpRequest, pk: int) -> HttpResponse:
    account = get_object_or_404(SocialAccount, pk=pk, user=person(request))
    identity = identity_of(account.provider)
    name = identity.name if identity else account.provider
    if disconnect(account, person(request), name):
        messages.success(request, _("You can no longer sign in by %s.") % name)
    else:
        messages.error(request, _("It is your only way in. Set a password first."))
    return redirect("profile")


def _identity(provider: str) -> Identity:
    identity = identity_of(provider)
    if identity is None:
        raise Http404
    return identity


urlpatterns = [
    path("signin/with/<slug:provider>", begin, name="signin-with"),
    path("signin/with/<slug:provider>/back", back, name="signin-back"),
    path("profile/connect/<slug:provider>", connect, name="connect-identity"),
    path("profile/disconnect/<int:pk>", cut, name="disconnect-identity"),
]
