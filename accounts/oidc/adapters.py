"""What allauth asks us on the way in. Its own pages, sign-up, addresses and mails are not part of Serai."""

import logging
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import urlencode

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from requests import RequestException

from accounts.models import AuditEvent, User

from . import people, refusals
from .provider import Answer
from .refusals import Refusal
from .rules import granted

logger = logging.getLogger(__name__)

END_SESSION_KEY = "oidc_end_session"  # of the session: {"name", "url"} of where else they are signed in


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    def list_apps(self, request: HttpRequest, provider: str = "", client_id: str = "") -> list[SocialApp]:
        """Providers are settings: the table of allauth stays empty and is not asked."""
        return [
            SocialApp(
                provider="openid_connect",
                provider_id=one.id,
                name=one.name,
                client_id=one.client_id,
                settings={"server_url": one.issuer},
            )
            for one in settings.OIDC_PROVIDERS
            if provider in (None, "", one.id, one.issuer)
        ]

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Any) -> Any:
        return sociallogin.user  # people.join reads the claims

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False  # who may come in is decided before allauth would ask

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """The answer is checked; nobody is signed in yet."""
        answer: Answer = sociallogin.answer
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            raise ImmediateHttpResponse(connect(request, sociallogin))
        rights = granted(answer.identity.rules, answer.claims)
        if not rights.admitted:
            _refuse(request, refusals.not_admitted(answer.identity.name))
        if not sociallogin.is_existing:
            account = people.join(answer.identity, answer.claims, sociallogin.account.extra_data)
            sociallogin.account, sociallogin.user = account, account.user
        if sociallogin.user.is_active:
            people.apply(sociallogin.user, answer.identity, rights)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: Any = None,
    ) -> None:
        why = why_not(request, provider.name, error, exception)
        logger.warning("%s signed nobody in: %s", provider.name, exception or request.GET.get("error", why.title))
        _refuse(request, why)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        return refusals.page(request, refusals.switched_off())

    def add_message(self, *_args: Any, **_options: Any) -> None:
        """Pages say themselves what happened."""

    def post_login(self, request: HttpRequest, user: User, **options: Any) -> HttpResponse:
        answer: Answer = options["signal_kwargs"]["sociallogin"].answer
        AuditEvent.record(user, "user.signed-in", user, by=answer.identity.name)
        # Rights that were taken away there are gone here at the next sign-in, so there must be one.
        request.session.set_expiry(timezone.now() + timedelta(hours=settings.OIDC_SESSION_HOURS))
        if answer.end_session_url:
            request.session[END_SESSION_KEY] = {"name": answer.identity.name, "url": _way_out(answer)}
        response: HttpResponse = super().post_login(request, user, **options)
        return response


def _way_out(answer: Answer) -> str:
    """Where they sign out of the provider, too, which brings them back."""
    back = {
        "client_id": answer.identity.client_id,
        "post_logout_redirect_uri": settings.SERAI_URL + reverse("signin"),
    }
    return f"{answer.end_session_url}{'&' if '?' in answer.end_session_url else '?'}{urlencode(back)}"


def why_not(request: HttpRequest, name: str, error: str | None, exception: Exception | None) -> Refusal:
    if error == AuthError.CANCELLED:
        return refusals.stopped(name)
    if isinstance(exception, RequestException):
        return refusals.silent(name)
    if exception is not None:
        return refusals.not_believed(name)
    if code := request.GET.get("error", ""):
        return refusals.not_understood(name, code[:60])
    return refusals.forgotten(name, settings.SERAI_URL)


def connect(request: HttpRequest, sociallogin: SocialLogin) -> HttpResponse:
    """Tie this identity to the account of the session: the one way in which two become one."""
    answer: Answer = sociallogin.answer
    user, name = request.user, answer.identity.name
    if not isinstance(user, User):
        return refusals.page(request, refusals.forgotten(name, settings.SERAI_URL))
    if not sociallogin.is_existing:
        with transaction.atomic():
            sociallogin.account.user = user
            sociallogin.account.save()
            AuditEvent.record(user, "user.connected", user, to=name)
        messages.success(request, _("You can sign in by %s from now on.") % name)
    elif sociallogin.user == user:
        messages.info(request, _("You can sign in by %s already.") % name)
    else:
        messages.error(request, _("This identity at %s belongs to another account of Serai. Sign in by it.") % name)
    return redirect("profile")


def disconnect(account: SocialAccount, user: User, name: str) -> bool:
    """Untie it, if another way in is left."""
    others = SocialAccount.objects.filter(user=user).exclude(pk=account.pk)
    if not user.has_usable_password() and not others.exists():
        return False
    with transaction.atomic():
        account.delete()
        AuditEvent.record(user, "user.disconnected", user, to=name)
    return True


def _refuse(request: HttpRequest, why: Refusal) -> NoReturn:
    raise ImmediateHttpResponse(refusals.page(request, why))
