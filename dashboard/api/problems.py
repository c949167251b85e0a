"""Errors as ``application/problem+json`` (RFC 9457), with a JSON pointer to each wrong field."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, AuthorizationError, HttpError, Throttled, ValidationError

from accounts.services import NotPossible
from dashboard.api.keys import KeyTooLong
from datacenters.storage import AlreadyThere, BadPath, NotThere, StorageProblem
from jobs import refusals

TYPE_BASE = "https://serai.dev/problems/"
WHERE_OF_BODY = {"body", "payload"}


def problem(
    status: int, slug: str, title: str, detail: str = "", *, errors: Sequence[tuple[str, str]] = (), **headers: str
) -> HttpResponse:
    body: dict[str, Any] = {"type": TYPE_BASE + slug, "title": title, "status": status}
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = [{"pointer": pointer, "detail": text} for pointer, text in errors]
    return HttpResponse(
        json.dumps(body),
        status=status,
        content_type="application/problem+json",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def pointer(*steps: object) -> str:
    """The JSON pointer of these steps as a URI fragment (RFC 6901, section 6)."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def invalid(errors: Sequence[tuple[str, str]]) -> HttpResponse:
    title = _("The request holds values that cannot be used.")
    detail = errors[0][1] if len(errors) == 1 else _("%(count)d values are wrong.") % {"count": len(errors)}
    return problem(422, "invalid-request", title, detail, errors=errors)


def invalid_form(form: BaseForm, at: Callable[[str], str] = pointer) -> HttpResponse:
    """Each sentence at its member of the body; ``at`` leads to those that the body calls otherwise."""
    return invalid(
        [
            ("#" if name == NON_FIELD_ERRORS else at(name), str(text))
            for name, texts in form.errors.items()
            for text in texts
        ]
    )


def not_found(*_args: object) -> HttpResponse:
    return problem(404, "not-found", _("There is nothing here, or it is not yours."))


def unknown_route(request: HttpRequest, route: str) -> HttpResponse:
    return problem(404, "not-found", _("There is no such route."), _("GET /api/v1/openapi.json lists all routes."))


def unauthorized(*_args: object) -> HttpResponse:
    return problem(
        401,
        "unauthorized",
        _("A valid token is needed."),
        _("Send “Authorization: Bearer <token>”; tokens are made on your profile page."),
        WWW_Authenticate='Bearer realm="serai"',
    )


def forbidden(_request: HttpRequest, error: AuthorizationError) -> HttpResponse:
    return problem(403, "scope-missing", _("This token may not do that."), str(error.message))


def register(api: NinjaAPI) -> None:
    """Give every error of this API its problem."""
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        AuthenticationError: unauthorized,
        AuthorizationError: forbidden,
        PermissionDenied: _may_not,
        Http404: not_found,
        ValidationError: _wrong_shape,
        HttpError: _http_error,
        Throttled: _throttled,
        refusals.RequestRefused: _refused,
        refusals.QuotaExceeded: _quota,
        refusals.IdempotencyConflict: _conflict,
        KeyTooLong: _key_too_long,
        refusals.NotPossibleNow: _not_now,
        NotPossible: _not_now,
        StorageProblem: _of_storage,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _may_not(_request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return problem(403, "not-allowed", _("You may not do that."), str(error))


def _wrong_shape(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    if any(item["loc"][0] == "path" for item in error.errors):
        return not_found()  # an id that none of ours can be
    return invalid([(_place(item["loc"]), _sentence(item)) for item in error.errors])


# What pydantic finds wrong, in words for people who never heard of it.
KINDS: Mapping[str, str | Promise] = {
    "missing": gettext_lazy("This is missing."),
    "extra_forbidden": gettext_lazy("There is no such value."),
    "string_type": gettext_lazy("A text is wanted here."),
    "bool_type": gettext_lazy("true or false is wanted here."),
    "bool_parsing": gettext_lazy("true or false is wanted here."),
    "int_type": gettext_lazy("A whole number is wanted here."),
    "int_parsing": gettext_lazy("A whole number is wanted here."),
    "int_parsing_size": gettext_lazy("This number is too large."),
    "int_from_float": gettext_lazy("A whole number is wanted here."),
    "float_type": gettext_lazy("A number is wanted here."),
    "float_parsing": gettext_lazy("A number is wanted here."),
    "finite_number": gettext_lazy("This number is too large."),
    "list_type": gettext_lazy("A list is wanted here: […]."),
    "dict_type": gettext_lazy("An object is wanted here: {…}."),
    "model_type": gettext_lazy("An object is wanted here: {…}."),
    "model_attributes_type": gettext_lazy("An object is wanted here: {…}."),
    "literal_error": gettext_lazy("One of these is wanted here: %(expected)s."),
    "enum": gettext_lazy("One of these is wanted here: %(expected)s."),
    "greater_than_equal": gettext_lazy("At least %(ge)s is wanted here."),
    "less_than_equal": gettext_lazy("At most %(le)s is wanted here."),
}


def _sentence(item: Mapping[str, Any]) -> str:
    words = KINDS.get(item.get("type", ""))  # ours have none
    if words is None:
        return str(item["msg"]).removeprefix("Value error, ")
    return str(words) % item.get("ctx", {}) if "%(" in str(words) else str(words)


def _place(location: Sequence[object]) -> str:
    where, *steps = location
    if where == "body" and steps and steps[0] in WHERE_OF_BODY:
        steps = steps[1:]
    return pointer(*steps)


def _http_error(_request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 400:  # ninja's word for a body that is no JSON
        detail = _("It must be UTF-8, without NaN, Infinity, null characters and halves of surrogate pairs.")
        return problem(422, "malformed", _("The body is not valid JSON."), detail)
    return problem(error.status_code, "error", str(error))


def _throttled(_request: HttpRequest, error: Throttled) -> HttpResponse:
    wait = str(error.wait or 60)
    return problem(429, "too-many-requests", _("Too many requests."), _("Try again later."), Retry_After=wait)


def _refused(_request: HttpRequest, error: refusals.RequestRefused) -> HttpResponse:
    return invalid([(item.pointer, item.detail) for item in error.errors])


def _quota(_request: HttpRequest, error: refusals.QuotaExceeded) -> HttpResponse:
    return problem(409, "quota-exceeded", _("Your quota is used up."), str(error))


def _conflict(_request: HttpRequest, _error: refusals.IdempotencyConflict) -> HttpResponse:
    return problem(
        422,
        "idempotency-key-reused",
        _("This Idempotency-Key was used for another request."),
        _("Send a new key with a new request; the same key answers only the same body."),
    )


def _key_too_long(_request: HttpRequest, _error: KeyTooLong) -> HttpResponse:
    return problem(422, "idempotency-key-too-long", _("This Idempotency-Key has more than 200 letters."))


def _not_now(_request: HttpRequest, error: refusals.NotPossibleNow | NotPossible) -> HttpResponse:
    return problem(409, "not-possible-now", _("This is not possible in its present state."), str(error))


def _of_storage(_request: HttpRequest, error: StorageProblem) -> HttpResponse:
    """What stands against it there, or that the other side did not do its part."""
    if isinstance(error, NotThere):
        return not_found()
    if isinstance(error, BadPath):
        return invalid([(pointer("path"), str(error))])
    if isinstance(error, AlreadyThere):
        return problem(409, "already-there", _("Something is there already."), str(error))
    return problem(502, "storage-failed", _("The storage did not do it."), str(error))
