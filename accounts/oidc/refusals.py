"""The page for whoever could not be signed in, with what they can do."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _


@dataclass(frozen=True)
class Refusal:
    status: int
    title: str
    sentence: str


def page(request: HttpRequest, why: Refusal) -> HttpResponse:
    return render(request, "accounts/signin_refused.html", {"why": why}, status=why.status)


def stopped(name: str) -> Refusal:
    title = _("You are not signed in.")
    return Refusal(403, title, _("You did not let %s tell Serai who you are. Nothing was changed.") % name)


def silent(name: str) -> Refusal:
    title = _("%s does not answer.") % name
    return Refusal(503, title, _("Try again in a moment. Serai itself works: what you run goes on."))


def forgotten(name: str, address: str) -> Refusal:
    sentence = _(
        "It was begun in another browser, more than ten minutes ago, or was used already. Open Serai at %(address)s "
        "and begin again."
    )
    return Refusal(400, _("This sign-in by %s is not known.") % name, sentence % {"address": address})


def not_understood(name: str, code: str) -> Refusal:
    sentence = _("It answered “%s”. Begin again; if it stays so, tell an administrator of Serai.")
    return Refusal(502, _("%s did not sign you in.") % name, sentence % code)


def not_believed(name: str) -> Refusal:
    sentence = _("Begin again; if it stays so, tell an administrator of Serai: the log says what was wrong.")
    return Refusal(502, _("The answer of %s cannot be trusted.") % name, sentence)


def not_admitted(name: str) -> Refusal:
    sentence = _(
        "%s knows you, but none of your groups or entitlements there may use this Serai. Ask those who run it."
    )
    return Refusal(403, _("You may not come in."), sentence % name)


def switched_off() -> Refusal:
    return Refusal(403, _("This account is switched off."), _("Ask an administrator of Serai."))
