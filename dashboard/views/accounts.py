"""Coming in and going out: welcome links, signing in and out, the theme."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import AuditEvent, SigninCode, User
from accounts.oidc.adapters import END_SESSION_KEY
from dashboard.account_forms import SigninForm, WelcomeForm
from dashboard.addresses import next_page
from dashboard.context import THEME_COOKIE, THEMES
from dashboard.throttle import address, allow, too_many

WINDOW_SECONDS = 600
TRIES_PER_ADDRESS, TRIES_PER_NAME = 30, 10
YEAR_SECONDS = 365 * 24 * 3600
BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def welcome(request: HttpRequest) -> HttpResponse:
    """The link's code is in the fragment, which no server sees: a script of the page posts it here."""
    form = WelcomeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and not allow(f"welcome:{address(request)}", TRIES_PER_ADDRESS, WINDOW_SECONDS):
        return too_many(request, WINDOW_SECONDS)
    if form.is_valid():
        user = SigninCode.spend(form.cleaned_data["code"])
        if user:
            return _let_in(request, user, by="link")
        form.add_error(
            "code",
            _("This code is unknown, was used already, or is older than 15 minutes. Ask for a new sign-in link."),
        )
    return render(request, "accounts/welcome.html", {"form": form}, status=_status(request))


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def signin(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(next_page(request))
    if request.method == "POST" and not _may_try(request):
        return too_many(request, WINDOW_SECONDS)
    form = SigninForm(request, request.POST if request.method == "POST" else None)
    if form.is_valid():
        return _let_in(request, form.get_user(), by="password")
    if request.method == "POST":
        _note_refusal(form)
    context = {
        "form": form,
        "next": request.POST.get("next", request.GET.get("next", "")),
        "providers": settings.OIDC_PROVIDERS,
        "elsewhere": request.session.pop(END_SESSION_KEY, None),
    }
    return render(request, "accounts/signin.html", context, status=_status(request))


@require_POST
def signout(request: HttpRequest) -> HttpResponse:
    elsewhere = request.session.get(END_SESSION_KEY)
    logout(request)
    if elsewhere:
        request.session[END_SESSION_KEY] = elsewhere
    messages.success(request, _("You are signed out."))
    return redirect("signin")


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """For those without JavaScript; with it, static/js/theme.js writes the same cookie."""
    response = redirect(next_page(request))
    chosen = request.POST.get("theme", "")
    if chosen in {theme.value for theme in THEMES}:
        response.set_cookie(THEME_COOKIE, chosen, max_age=YEAR_SECONDS, samesite="Lax", secure=settings.HTTPS)
    return response


def _let_in(request: HttpRequest, user: User, *, by: str) -> HttpResponse:
    target = next_page(request)
    login(request, user, backend=BACKEND)  # a new session key: one set before signing in is worth nothing
    AuditEvent.record(user, "user.signed-in", user, by=by)
    if not user.has_usable_password():
        messages.info(request, _("Sign-in links work once. Set a password in your profile to come back without one."))
    return redirect(target)


def _may_try(request: HttpRequest) -> bool:
    name = request.POST.get("username", "").lower()[:150]
    here = address(request)
    by_address = allow(f"signin:{here}", TRIES_PER_ADDRESS, WINDOW_SECONDS)
    return allow(f"signin:{here}:{name}", TRIES_PER_NAME, WINDOW_SECONDS) and by_address


def _note_refusal(form: SigninForm) -> None:
    user = User.objects.filter(username=form.cleaned_data.get("username", "")).first()
    if user:
        AuditEvent.record(None, "user.signin-refused", user)


def _status(request: HttpRequest) -> int:
    return 422 if request.method == "POST" else 200


urlpatterns = [
    path("welcome", welcome, name="welcome"),
    path("signin", signin, name="signin"),
    path("signout", signout, name="signout"),
    path("theme", theme, name="theme"),
]
